// Where a request comes from. Forwarding headers count only when a trusted proxy (TRUST_PROXY) set them:
// anybody else could write whatever they like into them.
import { BlockList, isIP } from 'node:net';

export interface AddressSource {
  /** Address of the peer of the TCP connection. */
  readonly remoteAddress: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const IPV6_GROUPS = 8;

/** IPv4 addresses that arrive on an IPv6 socket are written as IPv4; zone ids are dropped. */
const normalise = (address: string): string =>
  MAPPED_IPV4.exec(address)?.[1] ?? address.split('%')[0] ?? address;

const lists = new WeakMap<readonly string[], BlockList>();

function blockList(ranges: readonly string[]): BlockList {
  const known = lists.get(ranges);
  if (known) return known;
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits = ''] = range.split('/');
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  lists.set(ranges, list);
  return list;
}

const isTrusted = (address: string, ranges: readonly string[]): boolean => {
  const family = isIP(address);
  return family !== 0 && blockList(ranges).check(address, family === 6 ? 'ipv6' : 'ipv4');
};

/** One hop of X-Forwarded-For: an address, maybe with a port; null when it is neither. */
function hopAddress(hop: string): string | null {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(hop)?.[1] ?? hop;
  const address = normalise(bare);
  return isIP(address) === 0 ? null : address;
}

/**
 * The client's address: the peer, or, when the peer is a trusted proxy, the last address in X-Forwarded-For that
 * is not one. An unreadable hop ends the search at the proxy that reported it.
 */
export function clientAddress(source: AddressSource, trustProxy: readonly string[]): string {
  let address = normalise(source.remoteAddress ?? '0.0.0.0');
  const header = source.headers['x-forwarded-for'];
  const hops = (Array.isArray(header) ? header.join(',') : (header ?? ''))
    .split(',')
    .map((hop) => hop.trim());
  while (isTrusted(address, trustProxy)) {
    const hop = hopAddress(hops.pop() ?? '');
    if (hop === null) break;
    address = hop;
  }
  return address;
}

/** Eight groups of an IPv6 address without zone id. */
function expand(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, IPV6_GROUPS - left.length - right.length);
  return [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
}

/** Key for limits by address: an IPv4 address as it is, an IPv6 address by its /64, which one subscriber owns. */
export function addressKey(address: string): string {
  const plain = normalise(address);
  if (isIP(plain) !== 6) return plain;
  const groups = expand(plain).slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
