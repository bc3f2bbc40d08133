/** The Swift dialect. */
export * from './create-handler.ts';
export * from './settings.ts';
