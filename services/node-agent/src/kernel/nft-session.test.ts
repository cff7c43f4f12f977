/** Against the real nft, in a network namespace of its own. */
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { describeWithPrograms } from '../../../../test/packets/requirements.ts';
import { NftSession } from './nft-session.ts';

describeWithPrograms('one long-lived nft', ['ip', 'nft'], () => {
  const namespace = `sb-${process.pid}-session`;
  const prefix = ['ip', 'netns', 'exec', namespace];
  const session = new NftSession(prefix);

  const ip = (...args: string[]) => spawnSync('ip', args, { encoding: 'utf8' });
  const elements = (): string => ip('netns', 'exec', namespace, 'nft', 'list', 'set', 'ip', 't', 's').stdout;

  beforeAll(async () => {
    ip('netns', 'add', namespace);
    await session.run('add table ip t\nadd set ip t s { type ipv4_addr; }\n');
  });
  afterEach(() => session.run('flush set ip t s'));
  afterAll(() => {
    session.close();
    ip('netns', 'del', namespace);
  });

  test('runs scripts of several lines, comments left out', async () => {
    await session.run('# two\nadd element ip t s { 192.0.2.1 }\nadd element ip t s { 192.0.2.2 }\n');
    expect(elements()).toContain('192.0.2.1, 192.0.2.2');
  });

  test('does all of a script or nothing, says why, and goes on', async () => {
    const script = 'add element ip t s { 192.0.2.3 }\nadd element ip t nowhere { 192.0.2.3 }\n';
    await expect(session.run(script)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('No such file or directory'),
    });
    await expect(session.run('no such command')).rejects.toThrow('syntax error');
    expect(elements()).not.toContain('192.0.2.3');
    await session.run('add element ip t s { 192.0.2.4 }');
    expect(elements()).toContain('192.0.2.4');
  });

  test('a line of sixty thousand characters is no problem', async () => {
    const addresses = Array.from({ length: 4_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    await session.run(`add element ip t s { ${addresses.join(', ')} }`);
    expect(elements()).toContain('10.0.15.159');
  });

  test('another process is started after one has ended', async () => {
    session.close();
    await session.run('add element ip t s { 192.0.2.5 }');
    expect(elements()).toContain('192.0.2.5');
  });
});

test('a program that cannot be started fails the script', async () => {
  const session = new NftSession(['/nonexistent/program']);
  await expect(session.run('add table ip t')).rejects.toMatchObject({ code: 'unavailable' });
});
