// The crypto benchmark's second half in a fresh process, so that no key has been checked before: what `crypto.bench.ts` wrote
// to a file is verified and opened in place or with WebCrypto ahead. Prints one JSON object of milliseconds.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { deserialize } from 'node:v8';
import { openAccountLog } from '#crypto/account-log.ts';
import { Ahead, tapeRng } from '#crypto/ahead.ts';
import { chooseBackend } from '#crypto/backend-check.ts';
import { chainCertHash, parseChainCert, verifyChainCert } from '#crypto/chain-cert.ts';
import { verifyClaimedPrekeys } from '#crypto/prekeys.ts';
import { systemRng as rng } from '#crypto/rng.ts';
import { verifyNewest, verifyRun } from '#crypto/sender-run.ts';
import { startSession } from '#crypto/session.ts';
import { CONTEXT, NOW } from '#test/crypto/groups/group-people.ts';
import type { AheadCase, Claim, Restored, Run } from './ahead.ts';

const [file = '', mode = ''] = process.argv.slice(2);
const cases = deserialize(readFileSync(file)) as AheadCase;
const backend = mode === 'webcrypto' ? await chooseBackend(globalThis.crypto.subtle, rng) : null;
if (mode === 'webcrypto' && !backend) throw new Error('this Node has no WebCrypto for X25519 and Ed25519');

async function logs(shown: readonly (readonly Uint8Array[])[]): Promise<void> {
  const ahead = new Ahead(backend);
  await ahead.prepare(shown.map((entries) => () => openAccountLog(entries)));
  for (const entries of shown) ahead.use(() => openAccountLog(entries));
}

/** As PairwiseLink does it: all signatures, then all agreements, then the sessions. */
async function sessions(claims: readonly Claim[]): Promise<void> {
  const ahead = new Ahead(backend);
  const bundleOf = ({ claimed, cert }: Claim) =>
    verifyClaimedPrekeys(claimed, { device: cert, serverTime: NOW, knownSetId: 0 });
  const tapes = claims.map(() => tapeRng(rng));
  await ahead.prepare(claims.map((claim) => () => bundleOf(claim)));
  const optionsOf = (claim: Claim) => {
    const bundle = ahead.use(() => bundleOf(claim));
    return { self: cases.self, peerLog: claim.log, bundle };
  };
  function* starts(): Generator<() => unknown> {
    for (const [at, claim] of claims.entries()) {
      const options = optionsOf(claim);
      yield () => startSession(null, options, { now: NOW, rng: tapes[at]!.record });
    }
  }
  await ahead.prepare(starts());
  for (const [at, claim] of claims.entries()) {
    const options = optionsOf(claim);
    ahead.use(() => startSession(null, options, { now: NOW, rng: tapes[at]!.replay }));
  }
}

async function certificates(restored: readonly Restored[]): Promise<void> {
  const ahead = new Ahead(backend);
  const checks = restored.flatMap(({ cert, owner, event }) => [
    () => verifyChainCert(cert, owner),
    () => {
      const { chainPublicKey } = parseChainCert(cert);
      verifyNewest({ channelId: owner.channelId, certHash: chainCertHash(cert), chainPublicKey }, [event]);
    },
  ]);
  await ahead.prepare(checks);
  for (const check of checks) ahead.use(check);
}

async function page(runs: readonly Run[]): Promise<void> {
  const ahead = new Ahead(backend);
  await ahead.prepare(
    runs.map(
      ({ chain, events }) =>
        () =>
          verifyNewest(chain, events),
    ),
  );
  for (const { chain, events } of runs) {
    const { results } = ahead.use(() => verifyRun(chain, events, CONTEXT));
    if (results.some(({ ok }) => !ok)) throw new Error('a message of the page failed');
  }
}

/** Milliseconds of the second part of the items; the first `warmUp` are done before, to have the code compiled. */
async function timed<T>(
  items: readonly T[],
  warmUp: number,
  work: (items: readonly T[]) => Promise<void>,
): Promise<number> {
  for (let at = 0; at < warmUp; at++) await work(items.slice(at, at + 1));
  const start = performance.now();
  await work(items.slice(warmUp));
  return performance.now() - start;
}

const { warmUp } = cases;
console.log(
  JSON.stringify({
    logsOf50Accounts: await timed(cases.logs, warmUp, logs),
    sessionsWith25Devices: await timed(cases.claims, warmUp, sessions),
    certificatesOf100Chains: await timed(cases.restored, warmUp, certificates),
    pageOf50From10Chains: await timed(cases.runs, warmUp, page),
  }),
);
