/**
 * Nodes and constants of an ONNX graph as it grows. A value that repeats along axes is kept once, since most operators repeat such axes
 * themselves.
 */
import type { DType, HalfType } from '../../../core/type.ts'
import { isFloat } from '../../../core/type.ts'
import type { Attributes, ElementType, OnnxNode, OnnxTensor } from './file.ts'
import { elementTypes } from './file.ts'
import type { Size } from './size.ts'
import { alwaysOf, constant, equalSize, isOne, namesIn, showSize } from './size.ts'

/** A tensor in the graph. `thin`: axes along which all entries are equal, that are stored as one entry. */
export interface Value {
  readonly name: string
  readonly dtype: DType
  readonly shape: ReadonlyArray<Size>
  readonly thin: ReadonlySet<number>
}

export interface Builder {
  readonly nodes: ReadonlyArray<OnnxNode>
  readonly tensors: ReadonlyArray<OnnxTensor>
  /** Appends an operator; gives the name of its result. */
  readonly node: (type: string, inputs: ReadonlyArray<string>, attributes?: Attributes) => string
  /** A constant of equal text is one. */
  readonly constant: (type: ElementType, shape: ReadonlyArray<number>, values: ReadonlyArray<number | bigint>) => string
  /** A tensor whose name and bytes are given. */
  readonly named: (t: OnnxTensor) => string
  /** i64 `[n]` of sizes, computed where they are open. */
  readonly sizes: (all: ReadonlyArray<Size>) => string
  /** Another name for a value, for what the graph hands out. */
  readonly name: (as: string, value: string) => void
  /** What follows belongs to this scope: its names begin with it. */
  readonly enter: (scope: string) => void
  /** Says which i64 `[1]` an open extent is. */
  readonly open: (name: string, value: string) => void
}

/** Elements as a file holds them; those of 16 bits are cast where they are used. */
const bytesFor = (type: Exclude<ElementType, HalfType>, values: ReadonlyArray<number | bigint>): Uint8Array => {
  const plain = (): ReadonlyArray<number> => values.map(Number)
  switch (type) {
    case 'f32':
      return new Uint8Array(Float32Array.from(plain()).buffer)
    case 'i32':
      return new Uint8Array(Int32Array.from(plain()).buffer)
    case 'u32':
      return new Uint8Array(Uint32Array.from(plain()).buffer)
    case 'bool':
      return Uint8Array.from(plain())
    case 'i64':
      return new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer)
  }
}

export const openBuilder = (): Builder => {
  const nodes: Array<OnnxNode> = []
  const tensors: Array<OnnxTensor> = []
  const [constants, computed, opened] = [new Map<string, string>(), new Map<string, string>(), new Map<string, string>()]
  let scope = ''
  const node = (type: string, inputs: ReadonlyArray<string>, attributes: Attributes = {}): string => {
    const name = `${scope === '' ? '' : `${scope}/`}${type}_${nodes.length}`
    nodes.push({ name, type, inputs, outputs: [name], attributes })
    return name
  }
  const named = (t: OnnxTensor): string => {
    tensors.push(t)
    return t.name
  }
  const fixed = (type: ElementType, shape: ReadonlyArray<number>, values: ReadonlyArray<number | bigint>): string => {
    const key = `${type}[${shape.join()}] ${values.map((v) => (Object.is(v, -0) ? '-0' : `${v}`)).join()}`
    const known = constants.get(key)
    if (known !== undefined) return known
    const made =
      type === 'f16' || type === 'bf16'
        ? node('Cast', [fixed('f32', shape, values)], { to: elementTypes[type] })
        : named({ name: `constant_${tensors.length}`, type, shape, elements: { _tag: 'Here', bytes: bytesFor(type, values) } })
    constants.set(key, made)
    return made
  }
  /** One open size, i64 `[1]`. */
  const sizeNode = (s: Size): string => {
    const key = showSize(s)
    const known = computed.get(key)
    if (known !== undefined) return known
    const terms = [...s].map(([names, n]) => {
      const factors = [
        ...namesIn(names).map((name) => opened.get(name) ?? name),
        ...(n === 1 && names !== '' ? [] : [fixed('i64', [1], [n])]),
      ]
      return factors.reduce((a, b) => node('Mul', [a, b]))
    })
    const made = terms.reduce((a, b) => node('Add', [a, b]))
    computed.set(key, made)
    return made
  }
  const sizes = (all: ReadonlyArray<Size>): string => {
    const numbers = all.map(alwaysOf)
    const known = numbers.flatMap((n) => (n === undefined ? [] : [n]))
    if (known.length === all.length) return fixed('i64', [all.length], known)
    const key = `[${all.map(showSize).join()}]`
    const before = computed.get(key)
    if (before !== undefined) return before
    const parts = all.map((s, i) => (numbers[i] === undefined ? sizeNode(s) : fixed('i64', [1], [numbers[i]])))
    const made = parts.length === 1 ? parts[0] : node('Concat', parts, { axis: 0 })
    computed.set(key, made)
    return made
  }
  return {
    nodes,
    tensors,
    node,
    constant: fixed,
    named,
    sizes,
    name: (as, value) => {
      nodes.push({ name: as, type: 'Identity', inputs: [value], outputs: [as], attributes: {} })
    },
    enter: (s) => {
      scope = s
    },
    open: (name, value) => {
      opened.set(name, value)
      computed.set(name, value)
    },
  }
}

/** The extents that are stored. */
export const storedShape = (v: Value): ReadonlyArray<Size> => v.shape.map((s, a) => (v.thin.has(a) ? constant(1) : s))

export const fullAxes: ReadonlySet<number> = new Set()

/** A value as an operator has left it: nothing thin. */
export const plainValue = (name: string, dtype: DType, shape: ReadonlyArray<Size>): Value => ({ name, dtype, shape, thin: fullAxes })

/** With every entry written out. */
export const full = (b: Builder, v: Value): Value =>
  v.thin.size === 0 ? v : plainValue(b.node('Expand', [v.name, b.sizes(v.shape)]), v.dtype, v.shape)

/** The same elements under other extents; at most one open extent needs no arithmetic. */
export const reshaped = (b: Builder, name: string, from: ReadonlyArray<Size>, to: ReadonlyArray<Size>): string => {
  if (from.length === to.length && from.every((s, i) => equalSize(s, to[i]))) return name
  const open = to.filter((s) => alwaysOf(s) === undefined)
  return b.node('Reshape', [name, open.length === 1 ? b.sizes(to.map((s) => (alwaysOf(s) === undefined ? constant(-1) : s))) : b.sizes(to)])
}

/** Axes in another order: axis k of the result is axis `perm[k]`. */
export const transposed = (b: Builder, v: Value, perm: ReadonlyArray<number>): Value =>
  perm.every((a, k) => a === k)
    ? v
    : {
        name: b.node('Transpose', [v.name], { perm }),
        dtype: v.dtype,
        shape: perm.map((a) => v.shape[a]),
        thin: new Set(perm.flatMap((a, k) => (v.thin.has(a) ? [k] : []))),
      }

export const castTo = (b: Builder, name: string, to: ElementType): string => b.node('Cast', [name], { to: elementTypes[to] })

/** A constant of one value, thin along all axes that are more than one. */
export const filled = (b: Builder, dtype: DType, shape: ReadonlyArray<Size>, value: number): Value => ({
  name: b.constant(
    dtype,
    shape.map(() => 1),
    [isFloat(dtype) ? value : Math.trunc(value)],
  ),
  dtype,
  shape,
  thin: new Set(shape.flatMap((s, a) => (isOne(s) ? [] : [a]))),
})
