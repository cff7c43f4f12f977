/** One rule of nft's JSON in nft's own words, the way our rulesets are written: to be compared, and to be read by people. */
import { entryOf, fieldOf, type Json, listOf, textOf, valueText } from './nft-objects.ts';

export function nftRuleText(expr: readonly Json[]): string {
  return expr.map(statementText).join(' ');
}

function statementText(statement: Json): string {
  const [name, content] = entryOf(statement);
  switch (name) {
    case 'match':
      return matchText(content);
    case 'jump':
    case 'goto':
      return `${name} ${textOf(fieldOf(content, 'target'))}`;
    case 'vmap':
      return `${expressionText(fieldOf(content, 'key'))} vmap ${expressionText(fieldOf(content, 'data'))}`;
    case 'mangle':
      return `${expressionText(fieldOf(content, 'key'))} set ${expressionText(fieldOf(content, 'value'))}`;
    case 'masquerade':
      return ['masquerade', ...flagsOf(content)].join(' ');
    case 'reject':
      return fieldOf(content, 'expr') === 'port-unreachable' ? 'reject' : `reject ${JSON.stringify(content)}`;
    case 'counter':
      return 'counter';
    case 'accept':
    case 'drop':
    case 'return':
      return name;
    default:
      return JSON.stringify(statement);
  }
}

function flagsOf(content: Json): string[] {
  const flags = fieldOf(content, 'flags');
  return typeof flags === 'string' ? [flags] : listOf(flags).map(textOf);
}

/** `==` and membership are not written, except between a masked value and a number. */
function matchText(content: Json): string {
  const [left, right] = [fieldOf(content, 'left'), fieldOf(content, 'right')];
  const op = textOf(fieldOf(content, 'op'));
  const isMasked = fieldOf(left, '&') !== undefined;
  const written = op === '!=' || op === '<' || isMasked ? `${op} ` : '';
  return `${expressionText(left)} ${written}${isMasked ? hex(right) : expressionText(right)}`;
}

function expressionText(value: Json | undefined): string {
  const [name, content] = entryOf(value);
  switch (name) {
    case 'payload':
      return `${textOf(fieldOf(content, 'protocol'))} ${textOf(fieldOf(content, 'field'))}`;
    case 'meta':
    case 'ct':
      return `${name} ${textOf(fieldOf(content, 'key'))}`;
    case 'fib':
      return `fib ${listOf(fieldOf(content, 'flags')).map(textOf).join(' . ')} ${textOf(fieldOf(content, 'result'))}`;
    case 'concat':
      return listOf(content).map(expressionText).join(' . ');
    case '&':
    case '|':
      return `${expressionText(listOf(content)[0])} ${name} ${hex(listOf(content)[1])}`;
    case 'numgen':
      return `numgen ${textOf(fieldOf(content, 'mode'))} mod ${textOf(fieldOf(content, 'mod'))} offset ${textOf(fieldOf(content, 'offset'))}`;
    default:
      return valueText(value) || JSON.stringify(value ?? null);
  }
}

/** Marks are written with all their bits. */
function hex(value: Json | undefined): string {
  return typeof value === 'number' ? `0x${(value >>> 0).toString(16).padStart(8, '0')}` : expressionText(value);
}
