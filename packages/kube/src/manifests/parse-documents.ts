/** Text of a manifest file → documents as plain values, each still able to say on which line a field stands. */
import { errorText } from '@signalbox/contracts';
import { type Document, isMap, isNode, isScalar, LineCounter, parseAllDocuments, visit, type YAMLError } from 'yaml';

export interface ManifestDocument {
  /** Position in the file, from 1, as `---` counts them. */
  readonly document: number;
  /** Plain JSON value; null for a document that is empty or only comments. */
  readonly value: unknown;
  /** Line of the field, else of the nearest parent that is written, from 1. Undefined where that is not known. */
  lineOf(path: readonly PropertyKey[]): number | undefined;
  /** Looking up a line is free; otherwise it reads the whole text again. */
  readonly hasLines: boolean;
}

interface BrokenDocument {
  readonly document: number;
  readonly line?: number;
  readonly reason: string;
}

export interface ParsedDocuments {
  readonly documents: readonly ManifestDocument[];
  readonly broken: readonly BrokenDocument[];
}

/** The YAML parser takes in about 1 MB a second and holds up its process meanwhile; JSON.parse is a hundred times faster. */
const MAX_YAML_CHARS = 32 * 1024 * 1024;
/** Each use of an alias counts what it copies, so nested aliases cannot grow into a bomb. */
const MAX_ALIAS_COUNT = 1_000;

/** Never throws: what cannot be read is in `broken`. A broken document does not keep others from being read. */
export function parseDocuments(text: string): ParsedDocuments {
  const json = parseWholeJson(text);
  if (json !== undefined) return { documents: [json], broken: [] };
  return parseAnyYaml(text);
}

/** Lines are looked up by reading the text again as YAML, which JSON is a part of, because only problems ask for them. */
function parseWholeJson(text: string): ManifestDocument | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    let located: ManifestDocument | undefined;
    const lineOf = (path: readonly PropertyKey[]) => {
      located ??= parseAnyYaml(text).documents[0];
      return located?.lineOf(path);
    };
    return { document: 1, value, lineOf, hasLines: false };
  } catch {
    return undefined;
  }
}

function parseAnyYaml(text: string): ParsedDocuments {
  if (text.length > MAX_YAML_CHARS) {
    const size = `${MAX_YAML_CHARS / 1024 / 1024} MiB`;
    return brokenFile(`is larger than ${size}, which is the most that is read as YAML; split it, or write it as JSON`);
  }
  try {
    return parseYaml(text);
  } catch (error) {
    return brokenFile(`cannot be read as YAML: ${errorText(error)}`);
  }
}

function brokenFile(reason: string): ParsedDocuments {
  return { documents: [], broken: [{ document: 1, reason }] };
}

function parseYaml(text: string): ParsedDocuments {
  const lines = new LineCounter();
  // Duplicate keys are looked for below: the parser compares each key with all others of its mapping.
  const parsed = parseAllDocuments(text, { lineCounter: lines, merge: true, uniqueKeys: false, logLevel: 'silent' });
  const documents: ManifestDocument[] = [];
  const broken: BrokenDocument[] = [];
  for (const [index, document] of parsed.entries()) {
    const read = readDocument(document, { index, lines });
    if ('reason' in read) broken.push(read);
    else documents.push(read);
  }
  return { documents, broken };
}

function readDocument(
  parsed: Document.Parsed,
  { index, lines }: { index: number; lines: LineCounter },
): ManifestDocument | BrokenDocument {
  const document = index + 1;
  const [error] = parsed.errors;
  if (error !== undefined) return { document, line: lines.linePos(error.pos[0]).line, reason: yamlReason(error) };
  const repeated = findRepeatedKey(parsed);
  if (repeated !== undefined) {
    return { document, line: lines.linePos(repeated.offset).line, reason: `key "${repeated.key}" is there twice` };
  }
  try {
    const value: unknown = parsed.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
    return { document, value, lineOf: (path) => lineOfPath(parsed, path, lines), hasLines: true };
  } catch (thrown) {
    return { document, reason: `cannot be read: ${errorText(thrown)}` };
  }
}

/** The parser's message goes on with an excerpt of the file, of which the line says enough. */
function yamlReason({ code, message }: YAMLError): string {
  const [first = ''] = message.split('\n');
  return `is not valid YAML: ${first.replace(/ at line \d+, column \d+:?$/, '')} (${code})`;
}

function findRepeatedKey(parsed: Document.Parsed): { key: string; offset: number } | undefined {
  let repeated: { key: string; offset: number } | undefined;
  visit(parsed, {
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key) || key.value === '<<') continue;
        if (seen.has(key.value)) {
          repeated = { key: String(key.value), offset: key.range?.[0] ?? 0 };
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return repeated;
}

function lineOfPath(parsed: Document.Parsed, path: readonly PropertyKey[], lines: LineCounter): number | undefined {
  for (let length = path.length; length >= 0; length -= 1) {
    const offset = offsetOf(parsed, path.slice(0, length));
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return undefined;
}

/** Where a field begins: at its key, because the value of a mapping begins on the line after it. */
function offsetOf(parsed: Document.Parsed, path: readonly PropertyKey[]): number | undefined {
  const parent: unknown = path.length === 0 ? undefined : parsed.getIn(path.slice(0, -1), true);
  if (isMap(parent)) {
    const pair = parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
    if (isScalar(pair?.key)) return pair.key.range?.[0];
  }
  const node: unknown = path.length === 0 ? parsed.contents : parsed.getIn(path, true);
  return isNode(node) ? node.range?.[0] : undefined;
}
