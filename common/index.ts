/** The seams and small tools that know nothing of storage or clouds. */
export * from './bounds.ts';
export * from './clock.ts';
export * from './disk.ts';
export * from './failure.ts';
export * from './lent-buffers.ts';
export * from './log.ts';
export * from './memory-disk.ts';
export * from './metrics.ts';
export * from './net.ts';
export * from './random.ts';
export * from './settings.ts';
export * from './settings-reference.ts';
export * from './undo.ts';
export * from './utf8.ts';
export * from './workers.ts';
