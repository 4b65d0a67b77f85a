/**
 * The numbers of a shader that are sizes (extents, strides, offsets, bounds of loops). They are read from a uniform buffer and do not
 * stand in the text: kernels that differ in sizes alone are one shader, which a driver compiles once, and a driver that sees no bound
 * unrolls no loop, which costs a software driver most of its time.
 */

/** Most numbers of one shader that are taken out of its text: a uniform buffer has room for 64 KiB on every device. */
const most = 4000

export interface Sizes {
  /** An i32 expression for a number; a thing of the shader (a node of its syntax, a name) has one place, however often it is asked for. */
  readonly of: (thing: unknown, value: number) => string
  /** The declaration of what `of` refers to, as a member of the shader's struct of parameters, where there is any. */
  readonly member: () => string
  /** The numbers in order, filled up to whole vectors. */
  readonly values: () => ReadonlyArray<number>
}

const isInt32 = (n: number): boolean => Number.isInteger(n) && Math.abs(n) < 2 ** 31

export const openSizes = (): Sizes => {
  const places = new Map<unknown, number>()
  const values: Array<number> = []
  const at = (place: number): string => `params.sizes[${place >> 2}].${'xyzw'[place & 3]}`
  return {
    of: (thing, value) => {
      const known = places.get(thing)
      if (known !== undefined) return at(known)
      if (values.length === most || !isInt32(value)) return value < 0 ? `(${value})` : `${value}`
      places.set(thing, values.length)
      values.push(value)
      return at(values.length - 1)
    },
    member: () => (values.length === 0 ? '' : `  sizes : array<vec4<i32>, ${Math.ceil(values.length / 4)}>,\n`),
    values: () => [...values, ...new Array<number>((4 - (values.length % 4)) % 4).fill(0)],
  }
}
