/**
 * Writes the WebAssembly module that sums scaled fragments, sixteen bytes at a time.
 *
 * A product of a byte with a fixed factor is the sum of the products of its two halves, and each half has sixteen values:
 * so two tables of sixteen bytes and two byte shuffles (`i8x16.relaxed_swizzle`, one instruction on x86 and ARM) multiply
 * sixteen bytes (Plank, Greenan, Miller, "Screaming fast Galois field arithmetic", FAST '13). The loop over inputs
 * and outputs is written out for each shape, which a compiler from a language would not do: hence bytes from here.
 *
 * One function `sum(in, out, tables, length)`: input j begins at in + j × `stride`, output r at out + r × `stride`; the two
 * tables of factor (r, j) at tables + 32 × (r × inputs + j). `length` is a multiple of 16 and at most `stride`.
 */

export interface KernelShape {
  readonly inputs: number;
  /** For each output, whether it is a plain exclusive or of all inputs. */
  readonly plain: readonly boolean[];
}

/** Bytes of each fragment that are worked on at a time: all of them together stay in the processor's nearer caches. */
export const strideBytes = 16_384;

const type = { i32: 0x7f, v128: 0x7b };
const op = {
  loop: [0x03, 0x40],
  end: [0x0b],
  branchIf: (depth: number) => [0x0d, depth],
  get: (local: number) => [0x20, ...unsigned(local)],
  set: (local: number) => [0x21, ...unsigned(local)],
  tee: (local: number) => [0x22, ...unsigned(local)],
  i32: (value: number) => [0x41, ...signed(value)],
  add: [0x6a],
  lessUnsigned: [0x49],
  load: (offset: number) => vector(0x00, 4, ...unsigned(offset)),
  store: (offset: number) => vector(0x0b, 4, ...unsigned(offset)),
  lowMask: vector(0x0c, ...new Array<number>(16).fill(0x0f)),
  and: vector(0x4e),
  xor: vector(0x51),
  shiftRight16: vector(0x8d),
  swizzle: vector(0x100),
};

// Parameters, then locals.
const input = 0;
const output = 1;
const tables = 2;
const length = 3;
const position = 4;
const bytes = 5;
const lowHalves = 6;
const highHalves = 7;
const sums = 8;

export function kernelModule(shape: KernelShape): Uint8Array<ArrayBuffer> {
  const signature = [
    0x60,
    ...list([type.i32, type.i32, type.i32, type.i32].map((one) => [one])),
    0,
  ];
  const memory = [...name('env'), ...name('memory'), 0x02, 0x00, 0x01];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list([signature])),
    ...section(2, list([memory])),
    ...section(3, list([[0]])),
    ...section(7, list([[...name('sum'), 0x00, 0x00]])),
    ...section(10, list([sized(body(shape))])),
  ]);
}

function body(shape: KernelShape): number[] {
  const locals = list([
    [1, type.i32],
    [...unsigned(3 + shape.plain.length), type.v128],
  ]);
  const step = [...op.get(position), ...op.i32(16), ...op.add, ...op.tee(position)];
  return [
    ...locals,
    ...op.loop,
    ...Array.from({ length: shape.inputs }, (_, at) => addInput(shape, at)).flat(),
    ...shape.plain.flatMap((_, row) => [
      ...[...op.get(output), ...op.get(position), ...op.add],
      ...[...op.get(sums + row), ...op.store(row * strideBytes)],
    ]),
    ...[...step, ...op.get(length), ...op.lessUnsigned, ...op.branchIf(0)],
    ...[...op.end, ...op.end],
  ];
}

function addInput({ inputs, plain }: KernelShape, at: number): number[] {
  const load = [...op.get(input), ...op.get(position), ...op.add, ...op.load(at * strideBytes)];
  const halves = [
    ...[...op.get(bytes), ...op.lowMask, ...op.and, ...op.set(lowHalves)],
    ...[...op.get(bytes), ...op.i32(4), ...op.shiftRight16],
    ...[...op.lowMask, ...op.and, ...op.set(highHalves)],
  ];
  return [
    ...[...load, ...op.set(bytes)],
    ...(plain.every(Boolean) ? [] : halves),
    ...plain.flatMap((isPlain, row) => [
      ...(isPlain ? op.get(bytes) : product((row * inputs + at) * 32)),
      ...(at === 0 ? [] : [...op.get(sums + row), ...op.xor]),
      ...op.set(sums + row),
    ]),
  ];
}

function product(table: number): number[] {
  const lookUp = (offset: number, halves: number) => [
    ...[...op.get(tables), ...op.load(offset), ...op.get(halves), ...op.swizzle],
  ];
  return [...lookUp(table, lowHalves), ...lookUp(table + 16, highHalves), ...op.xor];
}

function vector(code: number, ...rest: number[]): number[] {
  return [0xfd, ...unsigned(code), ...rest];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  return value < 64 ? [value] : [(value & 127) | 128, ...signed(value >>> 7)];
}

function list(items: readonly number[][]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function sized(content: readonly number[]): number[] {
  return [...unsigned(content.length), ...content];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)];
}

function name(text: string): number[] {
  return sized([...Buffer.from(text)]);
}
