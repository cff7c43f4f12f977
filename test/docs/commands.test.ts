/** Commands and API paths in the guides exist: whoever follows a runbook is in a hurry. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { startPlaneOn } from '../backup/running-plane.ts';
import { ROOT, signalbox, temporaryFolder } from '../harness/signalbox.ts';

const PAGES = [
  'docs/runbooks.md',
  'docs/operations.md',
  'docs/nats.md',
  'docs/security.md',
  'deploy/kubernetes/README.md',
];
const GROUPS = ['get', 'lb', 'dns', 'render', 'nats', 'token'];

describe.each(PAGES)('%s', (page) => {
  let text: string;
  beforeAll(async () => {
    text = await readFile(join(ROOT, page), 'utf8');
  });

  test('names commands that exist, with flags that they have', async () => {
    for (const command of commandsIn(text)) {
      const words = command.split(/\s+/);
      const name = words.slice(0, GROUPS.includes(words[0] ?? '') ? 2 : 1).join(' ');
      const { code, stdout } = await helpOf(name);
      expect([command, code]).toEqual([command, 0]);
      expect(stdout, command).toContain(`Usage: signalbox ${name} `);
      for (const flag of command.match(/--[a-z-]+/g) ?? [])
        expect(stdout, command).toMatch(new RegExp(`^ +(-\\w, )?${flag}\\b`, 'm'));
    }
  });
});

const helps = new Map<string, ReturnType<typeof signalbox>>();

function helpOf(name: string): ReturnType<typeof signalbox> {
  const help = helps.get(name) ?? signalbox([...name.split(' '), '--help']);
  helps.set(name, help);
  return help;
}

/** In a code block, or between backticks on one line; up to where a shell ends it. */
function commandsIn(text: string): Set<string> {
  const blocks = [...text.matchAll(/^```\w*\n(.*?)^```/gms)].flatMap(([, block = '']) => block.split('\n'));
  const spans = [...text.matchAll(/`(signalbox [^`\n]+)`/g)].map(([, span = '']) => span);
  const commands = [...blocks, ...spans].flatMap(
    (line) => /^\s*signalbox ([a-z][^|>#]*?)(?: {3,}|[|>#]|$)/.exec(line)?.[1] ?? [],
  );
  return new Set(commands.map((command) => command.trim()));
}

test('runbooks ask the API for what it has', async () => {
  const folder = await temporaryFolder();
  const plane = await startPlaneOn(join(folder.path, 'data'));
  try {
    const text = await readFile(join(ROOT, 'docs/runbooks.md'), 'utf8');
    const paths = [...text.matchAll(/`curl API(\/\S+)`/g)].map(([, path = '']) => path);
    expect(paths.length).toBeGreaterThan(1);
    for (const path of paths) {
      const asked = path
        .replace('/C/', '/shop/')
        .replace('/NS/', '/shop/')
        .replace('/NAME', '/storefront')
        .replace('/R', '/1');
      expect([asked, (await fetch(`${plane.api}${asked}`)).status]).toEqual([asked, 200]);
    }
  } finally {
    await plane.stop();
    await folder.remove();
  }
});
