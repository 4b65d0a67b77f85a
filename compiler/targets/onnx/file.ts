/** The records of an ONNX file and their fields (onnx.proto of ONNX 1.12: IR version 8, opset 17). */
import type { DType } from '../../../core/type.ts'
import type { Bytes } from './protobuf.ts'
import { joined, raw, real, text, whole, within } from './protobuf.ts'

/** Versions that are written: any runtime since 2022 reads them. */
export const versions = { ir: 8, opset: 17 } as const

/** What tensors hold: the language's own types, and those that operators count with. */
export type ElementType = DType | 'i64' | 'u32'

/** TensorProto.DataType */
export const elementTypes: Readonly<Record<ElementType, number>> = { f32: 1, i32: 6, i64: 7, bool: 9, f16: 10, u32: 12, bf16: 16 }

export type Attribute = number | string | ReadonlyArray<number> | { readonly float: number }

export type Attributes = Readonly<Record<string, Attribute>>

export interface OnnxNode {
  readonly name: string
  readonly type: string
  readonly inputs: ReadonlyArray<string>
  readonly outputs: ReadonlyArray<string>
  readonly attributes: Attributes
}

/** Little-endian elements, here or at a place in another file beside this one. */
export type Elements =
  | { readonly _tag: 'Here'; readonly bytes: Uint8Array }
  | { readonly _tag: 'Beside'; readonly file: string; readonly offset: number; readonly length: number }

export interface OnnxTensor {
  readonly name: string
  readonly type: ElementType
  readonly shape: ReadonlyArray<number>
  readonly elements: Elements
}

/** An input or output; open extents by name. */
export interface OnnxValue {
  readonly name: string
  readonly type: ElementType
  readonly shape: ReadonlyArray<number | string>
}

export interface OnnxModel {
  readonly name: string
  readonly about: string
  readonly nodes: ReadonlyArray<OnnxNode>
  readonly tensors: ReadonlyArray<OnnxTensor>
  readonly inputs: ReadonlyArray<OnnxValue>
  readonly outputs: ReadonlyArray<OnnxValue>
  readonly metadata: Readonly<Record<string, string>>
}

/** AttributeProto: f 2, i 3, s 4, ints 8; its type 20. */
const attribute = (name: string, a: Attribute): Bytes => {
  const as = (type: number, ...value: ReadonlyArray<Bytes>): Bytes => joined([text(1, name), ...value, whole(20, type)])
  if (typeof a === 'number') return as(2, whole(3, a))
  if (typeof a === 'string') return as(3, text(4, a))
  return 'float' in a ? as(1, real(2, a.float)) : as(7, ...a.map((n) => whole(8, n)))
}

const node = (n: OnnxNode): Bytes =>
  joined([
    ...n.inputs.map((s) => text(1, s)),
    ...n.outputs.map((s) => text(2, s)),
    text(3, n.name),
    text(4, n.type),
    ...Object.entries(n.attributes).map(([name, a]) => within(5, attribute(name, a))),
  ])

const pair = (k: string, v: string): Bytes => joined([text(1, k), text(2, v)])

const tensor = (x: OnnxTensor): Bytes =>
  joined([
    ...x.shape.map((d) => whole(1, d)),
    whole(2, elementTypes[x.type]),
    text(8, x.name),
    ...(x.elements._tag === 'Here'
      ? [raw(9, x.elements.bytes)]
      : [
          within(13, pair('location', x.elements.file)),
          within(13, pair('offset', `${x.elements.offset}`)),
          within(13, pair('length', `${x.elements.length}`)),
          whole(14, 1),
        ]),
  ])

const value = (v: OnnxValue): Bytes => {
  const shape = joined(v.shape.map((d) => within(1, typeof d === 'number' ? whole(1, d) : text(2, d))))
  return joined([text(1, v.name), within(2, within(1, joined([whole(1, elementTypes[v.type]), within(2, shape)])))])
}

/** A whole file. */
export const encoded = (m: OnnxModel, producer: string): Bytes => {
  const graph = joined([
    ...m.nodes.map((n) => within(1, node(n))),
    text(2, m.name),
    ...m.tensors.map((x) => within(5, tensor(x))),
    text(10, m.about),
    ...m.inputs.map((v) => within(11, value(v))),
    ...m.outputs.map((v) => within(12, value(v))),
  ])
  return joined([
    whole(1, versions.ir),
    text(2, producer),
    within(7, graph),
    within(8, joined([text(1, ''), whole(2, versions.opset)])),
    ...Object.entries(m.metadata).map(([k, v]) => within(14, pair(k, v))),
  ])
}
