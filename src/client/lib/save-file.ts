/** Hands a file to the browser's downloads. Nothing of it leaves this machine. */
export function saveFile(name: string, parts: BlobPart[], type: string): void {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download has its own copy by the next turn; the address must not outlive it.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}
