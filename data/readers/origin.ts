/**
 * What a dataset is made of, as plain data: another thread opens the same dataset from it (`loading/reopen.ts`). Large arrays lie in shared
 * memory, so that threads see one copy.
 */

/** `parts`: plain data that the record of this tag made, and opens again. */
export interface Origin<P = unknown> {
  readonly _tag: string
  readonly parts: P
  /** Items lie in memory as they are: to read one takes less than to ask another thread for it. */
  readonly inMemory: boolean
}

/** Data that survive `structuredClone` as they are: a type with a function somewhere in it is not assignable to this one of it. */
type Plain<T> = unknown extends T
  ? T
  : T extends string | number | boolean | bigint | null | undefined | ArrayBufferView | SharedArrayBuffer
    ? T
    : T extends (...args: never) => unknown
      ? never
      : { readonly [K in keyof T]: Plain<T[K]> }

/** The origins of one tag. */
export interface OriginOf<P> {
  readonly tag: string
  readonly of: (parts: P, inMemory?: boolean) => Origin<P>
  /** Only what `of` made, here or in another thread, has the tag. */
  readonly is: (o: Origin) => o is Origin<P>
}

/** Of parts that are plain data: for others there is no tag to give. */
export const originOf = <P>(tag: [P] extends [Plain<P>] ? string : never): OriginOf<P> => ({
  tag,
  of: (parts, inMemory = false) => ({ _tag: tag, parts, inMemory }),
  is: (o): o is Origin<P> => o._tag === tag,
})
