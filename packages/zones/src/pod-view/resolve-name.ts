/** A name as a pod resolves it, told step by step, with the objects behind each record. */
import type { RecordOrigin, Resolution } from '@signalbox/contracts';
import type { AnswerCode } from '../answer-question.ts';
import type { ZoneIndex } from '../zone-index.ts';
import type { ResolvConf } from './resolv-conf.ts';
import { isFound, ndotsOf, type ResolveStep, walkSearchList } from './walk-search-list.ts';

type Outcome = Resolution['steps'][number]['outcome'];

const OUTCOMES: Readonly<Record<AnswerCode, Outcome>> = {
  NOERROR: 'no-data',
  NXDOMAIN: 'no-such-name',
  REFUSED: 'not-served',
  SERVFAIL: 'not-synced',
};

/** `revisionOf` knows record sets by `cluster/namespace/name`; undefined where there are no revisions. */
export function resolveName(
  index: ZoneIndex,
  asked: { readonly name: string; readonly type: string },
  conf: Pick<ResolvConf, 'searches' | 'options'>,
  revisionOf: (owner: string) => number | undefined,
): Resolution {
  const walked = walkSearchList((question) => index.answer(question), asked, conf);
  const originOf = (owner: string): RecordOrigin => {
    const [cluster, namespace, name] = splitOwner(owner);
    if (cluster === undefined || namespace === undefined || name === undefined) return null;
    return { cluster, namespace, name, revision: revisionOf(owner) ?? null };
  };
  const steps = walked.map((step) => ({
    name: step.question.name,
    searchDomain: step.searchDomain ?? null,
    outcome: outcomeOf(step),
    records: step.answer.answers.flat().map((record) => ({ record, origins: index.originsOf(record).map(originOf) })),
  }));
  return {
    ...asked,
    searches: [...conf.searches],
    ndots: ndotsOf(conf),
    isFound: walked.some(isFound),
    steps,
  };
}

function outcomeOf(step: ResolveStep): Outcome {
  return isFound(step) ? 'answer' : OUTCOMES[step.answer.code];
}

/** From the right, because a cluster's name may hold slashes. Nothing for a zone's apex. */
function splitOwner(owner: string): string[] {
  const match = /^(.*)\/([^/]+)\/([^/]+)$/.exec(owner);
  return match === null ? [] : match.slice(1);
}
