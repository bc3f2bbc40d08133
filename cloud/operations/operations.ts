/** Operations as the rest of the program sees them. */
import { Value } from 'typebox/value';
import type { Page } from '#cloud/api';
import { type AnyTransaction, roomOf, type State } from '#cloud/state';
import { type Clock, Failure, type Logger, type Metrics, type Random, randomUuid } from '#common';
import { childStarter } from './children.ts';
import { Executor } from './executor.ts';
import { listOperations } from './listing.ts';
import { operationMeters } from './meters.ts';
import {
  hasEnded,
  type Operation,
  type OperationRow,
  type OperationStepRow,
  type OperationTables,
  operationOf,
} from './record.ts';
import type { OperationSettings } from './settings.ts';
import { OperationStore } from './store.ts';
import type { Workflow } from './workflow.ts';

export interface OperationsOptions {
  readonly state: State;
  readonly settings: OperationSettings;
  /** This process, the same at every start and of no other process that runs. */
  readonly owner: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Tells other controllers that something is due. */
  readonly announce?: () => void;
  /** In the transaction of a beginning and of an end: for the feed of events. */
  readonly observe?: Observe;
  /** Called at every point where a crash could leave a difference; for tests. */
  readonly reached?: (point: string) => void;
}

export type Observe = (transaction: AnyTransaction, operation: Operation) => Promise<void>;

export interface NewOperation {
  readonly workflow: string;
  readonly input: unknown;
  readonly projectId?: string | undefined;
  readonly userId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly resource?: { readonly type: string; readonly id: string } | undefined;
}

export interface Operations {
  /** Makes workflows known; every service does so before `open`. */
  add(workflows: readonly Workflow[]): void;
  /**
   * Writes down what is to be done; it begins once the transaction has committed. Within `transaction` the operation and
   * the resource it is about come into being together.
   */
  start(operation: NewOperation, transaction?: AnyTransaction): Promise<Operation>;
  find(id: string): Promise<Operation | undefined>;
  /** What has been done so far, step by step. */
  steps(id: string): Promise<OperationStepRow[]>;
  /** The newest operation on a resource. */
  findLatest(resource: {
    readonly type: string;
    readonly id: string;
  }): Promise<Operation | undefined>;
  /** A page of them, newest first unless sorted otherwise. */
  list(
    query: URLSearchParams,
    only: { readonly projectId: string | undefined },
  ): Promise<Page<Operation>>;
  /** Asks for the undoing of what was done; fails `conflict` when it has ended or gone too far. */
  cancel(id: string): Promise<Operation>;
  /** Resolves when it has ended. */
  outcome(id: string, signal?: AbortSignal): Promise<Operation>;
  /** Another controller says that something is due. */
  wake(): void;
  /** Begins to work on operations; until then they are only written down. */
  open(): Promise<void>;
  close(): Promise<void>;
}

const inputCharactersMax = 65_536;
const countEveryMs = 1_000;

export function createOperations(options: OperationsOptions): Operations {
  return new OperationRoom(options);
}

class OperationRoom implements Operations {
  private readonly options: OperationsOptions;
  private readonly store: OperationStore;
  private readonly workflows = new Map<string, Workflow>();
  private readonly executor: Executor;
  private active = 0;
  private countedMs = Number.NEGATIVE_INFINITY;
  private readonly meters: ReturnType<typeof operationMeters>;

  constructor(options: OperationsOptions) {
    this.options = options;
    this.store = new OperationStore(options.state);
    this.meters = operationMeters(options.metrics, this.store);
    const { settings, clock, owner } = options;
    const log = options.log.child({ room: 'operations' });
    this.executor = new Executor({
      store: this.store,
      workflows: this.workflows,
      settings,
      clock,
      log,
      owner,
      children: childStarter(
        this.store,
        (start) => this.rowOf(start),
        () => this.wakeAll(),
      ),
      observe: options.observe ?? (async () => {}),
      reached: options.reached ?? (() => {}),
      stepEnded: this.meters.stepEnded,
    });
  }

  add(workflows: readonly Workflow[]): void {
    for (const workflow of workflows) {
      if (this.workflows.has(workflow.name))
        throw new Failure('bug', 'workflow-twice', 'Two workflows have one name', {
          facts: { workflow: workflow.name },
        });
      this.workflows.set(workflow.name, workflow);
    }
  }

  async start(operation: NewOperation, transaction?: AnyTransaction): Promise<Operation> {
    const row = this.rowOf({ ...operation, id: randomUuid(this.options.random) });
    const { state } = this.options;
    if (transaction === undefined) await state.transaction((own) => this.write(own, row));
    else await this.write(transaction, row);
    return operationOf(row);
  }

  /** Counted now and then: the bound is against floods, not exact. */
  private async checkRoom(): Promise<void> {
    const { clock, settings } = this.options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.countedMs > countEveryMs) {
      this.countedMs = nowMs;
      this.active = await this.store.countActive();
    }
    this.active++;
    if (this.active > settings.activeMax)
      throw new Failure('busy', 'too-many-operations', 'Too many operations are on their way', {
        facts: { activeMax: settings.activeMax },
      });
  }

  private async write(transaction: AnyTransaction, row: OperationRow): Promise<void> {
    await this.checkRoom();
    await roomOf<OperationTables>(transaction).insertInto('operation').values(row).execute();
    await this.options.observe?.(transaction, operationOf(row));
    this.options.state.afterCommit(transaction, () => this.wakeAll());
  }

  private rowOf(
    start: NewOperation & { readonly id: string; readonly parentId?: string },
  ): OperationRow {
    const workflow = this.workflows.get(start.workflow);
    const first = workflow?.steps[0];
    if (workflow === undefined || first === undefined || !Value.Check(workflow.input, start.input))
      throw new Failure(
        'bug',
        'bad-operation',
        'There is no such workflow, or not with such input',
        {
          facts: { workflow: start.workflow },
        },
      );
    const input = JSON.stringify(start.input);
    if (input.length > inputCharactersMax)
      throw new Failure('bug', 'operation-input-full', 'The input of an operation is too large', {
        facts: { workflow: start.workflow, characters: input.length },
      });
    const nowUs = this.options.clock.nowUs();
    return {
      id: start.id,
      workflow: start.workflow,
      state: 'waiting',
      project_id: start.projectId ?? null,
      user_id: start.userId ?? null,
      request_id: start.requestId ?? null,
      resource_type: start.resource?.type ?? null,
      resource_id: start.resource?.id ?? null,
      parent_id: start.parentId ?? null,
      input,
      memory: '{}',
      step: 0,
      step_name: first.name,
      step_count: workflow.steps.length,
      attempts: 0,
      starts: 0,
      progress_done: null,
      progress_total: null,
      progress_unit: null,
      owner: null,
      lease_epoch: 0,
      lease_until_us: 0,
      cancel_asked: 0,
      undoing: 0,
      error: null,
      due_at_us: nowUs,
      created_at_us: nowUs,
      updated_at_us: nowUs,
      ended_at_us: null,
    };
  }

  async find(id: string): Promise<Operation | undefined> {
    const row = await this.store.find(id);
    return row && operationOf(row);
  }

  steps(id: string): Promise<OperationStepRow[]> {
    return this.store.steps(id);
  }

  async findLatest(resource: { type: string; id: string }): Promise<Operation | undefined> {
    const row = await this.store.db
      .selectFrom('operation')
      .selectAll()
      .where('resource_type', '=', resource.type)
      .where('resource_id', '=', resource.id)
      .orderBy('created_at_us', 'desc')
      .orderBy('id')
      .executeTakeFirst();
    return row && operationOf(row);
  }

  list(query: URLSearchParams, only: { projectId: string | undefined }): Promise<Page<Operation>> {
    return listOperations(this.store.db, query, only.projectId);
  }

  async cancel(id: string): Promise<Operation> {
    const nowUs = this.options.clock.nowUs();
    const row = await this.store.transaction(async (tx) => {
      const found = await tx
        .selectFrom('operation')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst();
      if (found === undefined)
        throw new Failure('missing', 'no-such-operation', 'There is no such operation', {
          facts: { id },
        });
      const pointOfNoReturn = this.workflows.get(found.workflow)?.pointOfNoReturn;
      const tooLate = pointOfNoReturn !== undefined && found.step >= pointOfNoReturn;
      if (hasEnded(found) || (tooLate && found.undoing === 0))
        throw new Failure('conflict', 'operation-too-late', 'It is too late to cancel this', {
          facts: { id, state: found.state },
        });
      await this.store.askCancel(tx, 'id', id, nowUs);
      return { ...found, cancel_asked: 1 };
    });
    this.executor.stop(id, 'cancelled');
    this.wakeAll();
    return operationOf(row);
  }

  async outcome(id: string, signal?: AbortSignal): Promise<Operation> {
    for (;;) {
      const operation = await this.find(id);
      if (operation === undefined)
        throw new Failure('missing', 'no-such-operation', 'There is no such operation', {
          facts: { id },
        });
      if (hasEnded(operation)) return operation;
      await this.options.clock.sleep(this.options.settings.pollMs / 20, signal);
    }
  }

  wake(): void {
    this.executor.wake();
  }

  private wakeAll(): void {
    this.executor.wake();
    this.options.announce?.();
  }

  open(): Promise<void> {
    return this.executor.open();
  }

  close(): Promise<void> {
    return this.executor.close();
  }
}
