/** Which ports are connected, as OVN says, and who wants to know. */
import type { Row } from '../ovsdb/values.ts';

export interface UpEvent {
  readonly portId: string;
  readonly up: boolean;
}

export class UpWatch {
  private held = new Set<string>();
  private readonly listeners = new Set<(event: UpEvent) => void>();

  isUp(portId: string): boolean {
    return this.held.has(portId);
  }

  look(rows: ReadonlyMap<string, Row>): void {
    const now = new Set<string>();
    for (const row of rows.values()) if (row.up === true) now.add(String(row.name));
    const before = this.held;
    this.held = now;
    for (const portId of now) if (!before.has(portId)) this.tell({ portId, up: true });
    for (const portId of before) if (!now.has(portId)) this.tell({ portId, up: false });
  }

  watch(listener: (event: UpEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(event: UpEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}
