import { describe, expect, test } from 'vitest';
import { parseKeys, readKeyFile } from './key-file.ts';

const SECRET = 'c2lnbmFsYm94LXRlc3Qtc2lnbmFsYm94LXRlc3QhIQ==';

describe('keys', () => {
  test('as tsig-keygen prints them, with the comments of BIND', () => {
    const text = `// from tsig-keygen
key "Transfer.Example" { # here
\talgorithm hmac-sha256;
\tsecret "${SECRET}";
};
/* another,
   shorter */ key b. { secret ${SECRET}; algorithm HMAC-SHA512-256; };`;
    const secret = Buffer.from(SECRET, 'base64');
    expect(parseKeys(text, 'keys')).toEqual([
      { name: 'transfer.example.', algorithm: 'hmac-sha256', macBytes: 32, secret },
      { name: 'b.', algorithm: 'hmac-sha512', macBytes: 32, secret },
    ]);
    expect(parseKeys('\n', 'keys')).toEqual([]);
  });

  const aKey = (name: string, algorithm = 'hmac-sha256', secret = SECRET) =>
    `key "${name}" {\n  algorithm ${algorithm};\n  secret "${secret}";\n};\n`;

  test.for<[name: string, text: string, expected: string]>([
    ['another word', 'zone "a" { };', 'keys, line 1: "key" is expected'],
    ['a name that is none', aKey('a b'), 'keys, line 1: this is no name for a key'],
    ['an algorithm that is too old', aKey('a', 'hmac-md5'), 'keys, line 2: the algorithm must be hmac-sha256,'],
    [
      'a MAC cut too short',
      aKey('a', 'hmac-sha256-96'),
      'keys, line 2: hmac-sha256 is cut to whole octets, from 128 to',
    ],
    ['no base64', aKey('a', 'hmac-sha256', 'secret!'), 'keys, line 3: the secret is not base64'],
    ['a secret that can be guessed', aKey('a', 'hmac-sha256', 'c2VjcmV0'), 'keys, line 3: the secret has 6 octets; 16'],
    ['a key without secret', 'key a {\n algorithm hmac-sha256;\n};', 'keys, line 3: key "a." has no secret'],
    ['a key without algorithm', `key a { secret "${SECRET}"; };`, 'keys, line 1: key "a." has no algorithm'],
    ['a key twice', aKey('a') + aKey('A.'), 'keys, line 8: a second key "a."'],
    ['a file that ends too early', 'key a {\n', 'keys, line 1: "}" is expected, the file ends'],
    [
      'a word that a key does not have',
      'key a { port 53; };',
      'keys, line 1: "algorithm", "secret" or "}" is expected',
    ],
  ])('%s is refused', ([, text, expected]) => {
    expect(() => parseKeys(text, 'keys')).toThrow(expected);
  });

  test('no message tells a secret', () => {
    for (const broken of [`${SECRET}!`, SECRET.slice(1)]) {
      const parsing = () => parseKeys(aKey('a', 'hmac-sha256', broken), 'keys');
      expect(parsing).toThrow('not base64');
      expect(parsing).not.toThrow(broken.slice(4, 20));
    }
  });

  test('a file that is not there is named', async () => {
    await expect(readKeyFile('/nonexistent/keys')).rejects.toThrow(
      'cannot read the key file /nonexistent/keys: ENOENT',
    );
  });
});
