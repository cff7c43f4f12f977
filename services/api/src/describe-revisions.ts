/** The headers about revisions, which the gate reads and every route writes, in the OpenAPI document. */
import { MIN_REVISION_HEADER, REVISION_HEADER } from '@signalbox/contracts';
import { readingOf } from './revision-gate.ts';

interface Operation {
  parameters?: object[];
  readonly responses?: object;
}

const METHODS = ['get', 'put', 'post', 'delete'] as const;

interface Document {
  readonly paths?: Readonly<Record<string, { readonly [Method in (typeof METHODS)[number]]?: Operation }>>;
  readonly components?: object;
}

const PARAMETER = {
  name: headerName(MIN_REVISION_HEADER),
  in: 'header',
  description: [
    'The least revision that the answer may have, or `latest`: what the event log holds when the request comes.',
    'A replica that is behind waits for it, 5 s at most; then it is 503 with `Retry-After`, and the problem has `revision`',
    'and `minRevision`.',
  ].join(' '),
  schema: { type: 'string', pattern: '^(\\d{1,15}|latest)$' },
  example: '42',
};
const HEADER = {
  description: 'The revision that the answer is true for.',
  schema: { type: 'integer', minimum: 0 },
  example: 42,
};
const HEADER_REFERENCE = { $ref: '#/components/headers/Revision' };

/** The document with both headers at each operation that has them. It is changed in place: it was made for this answer. */
export function describeRevisions<Given extends Document>(document: Given): Given {
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    if (readingOf(path) === undefined) continue;
    for (const operation of METHODS.flatMap((method) => operations[method] ?? [])) {
      operation.parameters = [...(operation.parameters ?? []), { $ref: '#/components/parameters/MinRevision' }];
    }
    const answers: Readonly<Record<string, { headers?: object }>> = { ...operations.get?.responses };
    const { 200: answer } = answers;
    if (answer !== undefined) answer.headers = { ...answer.headers, [headerName(REVISION_HEADER)]: HEADER_REFERENCE };
  }
  const components = {
    ...document.components,
    parameters: { MinRevision: PARAMETER },
    headers: { Revision: HEADER },
  };
  return { ...document, components };
}

/** As people write it: `X-Signalbox-Revision`. */
function headerName(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
