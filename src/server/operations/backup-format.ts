// The backup file: gzip over lines of text, so that it can be read with zcat. Lines that begin with # are structure
// (JSON): a header, the beginning of each part, at last the manifest with rows and SHA-256 of every part, and the
// manifest's own SHA-256. All other lines are rows of the part they stand in, as JSON by PostgreSQL itself; a part's
// SHA-256 is over its rows, each with its newline.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip, type Gzip } from 'node:zlib';
import { once } from 'node:events';
import * as z from 'zod';

const CHUNK = 256 * 1024;

const migrationSchema = z.object({ name: z.string(), checksum: z.string() });
const headerSchema = z.object({
  format: z.literal('chatalot-backup'),
  version: z.literal(1),
  app: z.string(),
  /** ISO 8601. */
  madeAt: z.string(),
  database: z.enum(['pglite', 'postgres']),
  migrations: z.array(migrationSchema),
});
const partSchema = z.object({ name: z.string(), rows: z.number(), sha256: z.string() });
const manifestSchema = z.object({
  parts: z.array(partSchema),
  sequences: z.array(z.object({ name: z.string(), value: z.string() })),
});
const structureSchema = z.union([
  z.object({ header: headerSchema }),
  z.object({ part: z.string() }),
  z.object({ manifest: manifestSchema }),
  z.object({ end: z.string() }),
]);

export type BackupHeader = z.infer<typeof headerSchema>;
export type BackupManifest = z.infer<typeof manifestSchema>;
export type BackupPart = z.infer<typeof partSchema>;

/** The file is no backup, or not whole; the message is for whoever asked. */
export class BackupError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BackupError';
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export class BackupWriter {
  readonly #out: Gzip;
  readonly #settled: Promise<void>;
  readonly #parts: BackupPart[] = [];
  #pending: string[] = [];
  #pendingLength = 0;
  #current: { name: string; rows: number; hash: Hash } | null = null;

  /** `settled` rejects when what is written can no longer arrive: nobody would drain it then. */
  constructor(out: Gzip, settled: Promise<void>) {
    this.#out = out;
    this.#settled = settled;
  }

  async begin(header: BackupHeader): Promise<void> {
    await this.#write(`#${JSON.stringify({ header })}\n`);
  }

  async part(name: string): Promise<void> {
    this.#endPart();
    this.#current = { name, rows: 0, hash: createHash('sha256') };
    await this.#write(`#${JSON.stringify({ part: name })}\n`);
  }

  async row(line: string): Promise<void> {
    if (!this.#current) throw new Error('a row outside a part');
    this.#current.rows += 1;
    this.#current.hash.update(line).update('\n');
    await this.#write(`${line}\n`);
  }

  async finish(sequences: BackupManifest['sequences']): Promise<BackupManifest> {
    this.#endPart();
    const manifest: BackupManifest = { parts: this.#parts, sequences };
    const text = JSON.stringify({ manifest });
    await this.#write(`#${text}\n#${JSON.stringify({ end: sha256(text) })}\n`);
    await this.#flush();
    return manifest;
  }

  #endPart(): void {
    const part = this.#current;
    if (part) this.#parts.push({ name: part.name, rows: part.rows, sha256: part.hash.digest('hex') });
    this.#current = null;
  }

  async #write(text: string): Promise<void> {
    this.#pending.push(text);
    this.#pendingLength += text.length;
    if (this.#pendingLength >= CHUNK) await this.#flush();
  }

  async #flush(): Promise<void> {
    const text = this.#pending.join('');
    this.#pending = [];
    this.#pendingLength = 0;
    if (!this.#out.write(text)) await Promise.race([once(this.#out, 'drain'), this.#settled]);
  }
}

/** Lines by \n alone: rows may hold every other separator there is. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  const text = createGunzip();
  file.on('error', (cause) => text.destroy(cause));
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest: string[] = [];
  try {
    for await (const chunk of file.pipe(text)) {
      const [first = '', ...others] = decoder.decode(chunk as Uint8Array, { stream: true }).split('\n');
      rest.push(first);
      for (const next of others) {
        yield rest.join('');
        rest = [next];
      }
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw new BackupError(`There is no file ${path}.`);
    throw new BackupError('The file is damaged or cut off: it cannot be unpacked.');
  } finally {
    file.destroy();
  }
  if (rest.some((piece) => piece !== '')) throw new BackupError('The file is cut off in a line.');
}

export interface BackupReader {
  /** Called first; a rejection stops reading. */
  readonly header?: (header: BackupHeader) => Promise<void>;
  /** Rows in order, in groups of at most a few hundred and a few megabytes. */
  readonly rows?: (part: string, lines: readonly string[]) => Promise<void>;
}

const GROUP_ROWS = 500;
const GROUP_LENGTH = 2 * 1024 * 1024;

/** One pass over a file: gathers what the manifest must agree with. */
class Reading {
  header: BackupHeader | null = null;
  manifest: BackupManifest | null = null;
  isEnded = false;
  readonly #reader: BackupReader;
  readonly #parts: BackupPart[] = [];
  #current: { name: string; rows: number; hash: Hash } | null = null;
  #group: string[] = [];
  #groupLength = 0;
  #manifestText = '';

  constructor(reader: BackupReader) {
    this.#reader = reader;
  }

  async take(line: string): Promise<void> {
    if (this.isEnded) throw new BackupError('Something follows the end of the backup.');
    if (line.startsWith('#')) return this.#structure(line.slice(1));
    if (!this.#current) throw new BackupError('The file holds a row outside any part.');
    this.#current.rows += 1;
    this.#current.hash.update(line).update('\n');
    this.#group.push(line);
    this.#groupLength += line.length;
    if (this.#group.length >= GROUP_ROWS || this.#groupLength >= GROUP_LENGTH) await this.#hand();
  }

  async #hand(): Promise<void> {
    const [lines, part] = [this.#group, this.#current];
    this.#group = [];
    this.#groupLength = 0;
    if (part && lines.length > 0) await this.#reader.rows?.(part.name, lines);
  }

  async #endPart(): Promise<void> {
    await this.#hand();
    const part = this.#current;
    if (part) this.#parts.push({ name: part.name, rows: part.rows, sha256: part.hash.digest('hex') });
    this.#current = null;
  }

  async #structure(text: string): Promise<void> {
    await this.#endPart();
    const line = parseStructure(text);
    if ('header' in line) {
      if (this.header) throw new BackupError('The file has two headers.');
      this.header = line.header;
      return this.#reader.header?.(line.header);
    }
    if (!this.header) throw new BackupError('The file does not begin like a backup.');
    if ('part' in line) this.#current = { name: line.part, rows: 0, hash: createHash('sha256') };
    else if ('manifest' in line) this.#judge(text, line.manifest);
    else if (!this.manifest || line.end !== sha256(this.#manifestText))
      throw new BackupError('The manifest is damaged.');
    else this.isEnded = true;
  }

  #judge(text: string, manifest: BackupManifest): void {
    this.#manifestText = text;
    this.manifest = manifest;
    const names = (parts: readonly BackupPart[]): string => parts.map((part) => part.name).join(', ');
    if (names(manifest.parts) !== names(this.#parts))
      throw new BackupError('The file’s parts are not those it names.');
    for (const [at, said] of manifest.parts.entries()) {
      const found = this.#parts[at];
      if (found?.rows !== said.rows)
        throw new BackupError(`${said.name} holds ${found?.rows} rows instead of ${said.rows}.`);
      if (found.sha256 !== said.sha256)
        throw new BackupError(`${said.name} is not what was written: its SHA-256 differs.`);
    }
  }
}

function parseStructure(text: string): z.infer<typeof structureSchema> {
  try {
    return structureSchema.parse(JSON.parse(text));
  } catch {
    throw new BackupError('The file is no backup this version can read, or a line of it is damaged.');
  }
}

/**
 * Reads a backup from beginning to end and checks every part against the manifest. What `reader` does before the end
 * is done with data not yet checked: check a file once before using it. @throws BackupError
 */
export async function readBackup(
  path: string,
  reader: BackupReader = {},
): Promise<{ readonly header: BackupHeader; readonly manifest: BackupManifest }> {
  const reading = new Reading(reader);
  for await (const line of linesOf(path)) await reading.take(line);
  const { header, manifest, isEnded } = reading;
  if (!header || !manifest || !isEnded) throw new BackupError('The file is cut off: it has no end.');
  return { header, manifest };
}
