/** The Swift dialect. */
export * from './create-handler.ts';
