/** The Swift dialect. */
export * from './create-handler.ts';
export { mayReadObject, type ObjectReader } from './may-read-object.ts';
export * from './settings.ts';
