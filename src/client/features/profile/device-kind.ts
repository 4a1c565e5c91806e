// Which picture fits a device, by the name it gave itself (lib/device-label).
export function deviceKind(label: string | null): 'phone' | 'laptop' | 'browser' {
  if (label === null) return 'browser';
  if (/android|iphone|ipad|mobile/i.test(label)) return 'phone';
  return /linux|mac|windows|chrome ?os/i.test(label) ? 'laptop' : 'browser';
}
