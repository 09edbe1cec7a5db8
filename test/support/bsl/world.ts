import { BslDate, BslError } from './values.ts';

/** What lies outside the bases: the time, computers with their folders, and every request that was sent. */
export class World {
  now = new BslDate(Math.floor(Date.parse('2026-03-02T09:00:00Z') / 1000));
  /** METHOD path, in the order they were sent. */
  readonly requests: string[] = [];
  /** Statements that ran: module, then lines. */
  readonly executed = new Map<string, Set<number>>();
  readonly #files = new Map<string, string>();
  /** Volumes whose files are there and cannot be read. */
  readonly unreadable = new Set<string>();
  readonly readOnly = new Set<string>();
  readonly #mounts: { readonly computer: string; readonly path: string; readonly volume: string }[] = [];
  #uuids = 0;

  /** Makes a folder: what `computer` finds under `path` is `volume`, and others may find the same volume elsewhere. */
  mount(computer: string, path: string, volume: string): void {
    this.#mounts.push({ computer, path, volume });
  }
  /** As a person copies a folder. */
  copyVolume(from: string, to: string): void {
    for (const [name, text] of [...this.#files]) {
      if (name.startsWith(`${from}/`)) this.#files.set(`${to}${name.slice(from.length)}`, text);
    }
  }
  file(computer: string, path: string): { exists: () => boolean; read: () => string; write: (text: string) => void } {
    const slashed = (text: string) => text.toLowerCase().replaceAll('\\', '/');
    const mount = this.#mounts.find(
      (m) => m.computer.toLowerCase() === computer.toLowerCase() && slashed(path).startsWith(`${slashed(m.path)}/`),
    );
    const name = mount && `${mount.volume}${slashed(path).slice(slashed(mount.path).length)}`;
    return {
      exists: () => name !== undefined && this.#files.has(name),
      read: () => {
        const text = name === undefined ? undefined : this.#files.get(name);
        if (mount && this.unreadable.has(mount.volume)) throw new BslError(`Доступ запрещен: ${path}`);
        if (text === undefined) throw new BslError(`Файл не обнаружен: ${path}`);
        return text;
      },
      write: (text) => {
        if (mount && this.readOnly.has(mount.volume)) throw new BslError(`Доступ запрещен: ${path}`);
        if (name === undefined) throw new BslError(`Путь не найден: ${path}`);
        this.#files.set(name, text);
      },
    };
  }
  uuid(): string {
    this.#uuids++;
    return `6b1f0c0e-7d0a-4a5c-9f2e-${String(this.#uuids).padStart(12, '0')}`;
  }
  pass(seconds: number): void {
    this.now = new BslDate(this.now.seconds + seconds);
  }
  ran(module: string, line: number): void {
    const lines = this.executed.get(module) ?? new Set();
    lines.add(line);
    this.executed.set(module, lines);
  }
}
