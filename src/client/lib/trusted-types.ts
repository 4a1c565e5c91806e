// The one Trusted Types policy of our own: script URLs from this origin, for the crypto worker. Nothing else.

interface TrustedTypePolicy {
  createScriptURL(url: string): unknown;
}
interface TrustedTypePolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): TrustedTypePolicy;
}

function ownOrigin(url: string): string {
  const { origin } = new URL(url, location.origin);
  if (origin !== location.origin) throw new TypeError('script URL of another origin');
  return url;
}

const factory = (globalThis as { trustedTypes?: TrustedTypePolicyFactory }).trustedTypes;
const policy = factory?.createPolicy('app', { createScriptURL: ownOrigin });

/** A script URL of this origin, as the browser's Trusted Types enforcement wants it. */
export function scriptUrl(url: string): string {
  return (policy ? policy.createScriptURL(url) : ownOrigin(url)) as string;
}
