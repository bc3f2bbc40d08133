/**
 * Counts what is under way by the placement that was in force when it began, so that who changes rings can tell when nobody goes by an older one
 * any more. What began by one ring may end by its neighbour, never by one after that.
 */

interface Epoch {
  underWay: number;
  left: (() => void) | undefined;
}

export class Epochs {
  private readonly earlier = new Set<Epoch>();
  private current: Epoch = { underWay: 0, left: undefined };

  within<T>(run: () => Promise<T>): Promise<T> {
    const epoch = this.current;
    epoch.underWay += 1;
    const leave = () => {
      epoch.underWay -= 1;
      if (epoch.underWay === 0) epoch.left?.();
    };
    const running = started(run);
    running.then(leave, leave);
    return running;
  }

  /** A new placement is in force. Resolves when all that began before is over. */
  async next(): Promise<void> {
    this.earlier.add(this.current);
    this.current = { underWay: 0, left: undefined };
    await Promise.all([...this.earlier].map((epoch) => this.over(epoch)));
  }

  private async over(epoch: Epoch): Promise<void> {
    if (epoch.underWay > 0)
      await new Promise<void>((resolve) => {
        const { left } = epoch;
        epoch.left = () => {
          left?.();
          resolve();
        };
      });
    this.earlier.delete(epoch);
  }
}

async function started<T>(run: () => Promise<T>): Promise<T> {
  return run();
}
