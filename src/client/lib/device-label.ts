// What a device is called in the device list until its owner says otherwise: browser and system, nothing finer.

const browsers: readonly (readonly [RegExp, string])[] = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\//, 'Firefox'],
  [/Chrom(e|ium)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];
const systems: readonly (readonly [RegExp, string])[] = [
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/Linux|X11/, 'Linux'],
];

const nameIn = (list: typeof browsers, agent: string, fallback: string): string =>
  list.find(([pattern]) => pattern.test(agent))?.[1] ?? fallback;

/** For example "Firefox on Linux". */
export function deviceLabel(agent: string = navigator.userAgent): string {
  return `${nameIn(browsers, agent, 'Browser')} on ${nameIn(systems, agent, 'this computer')}`;
}
