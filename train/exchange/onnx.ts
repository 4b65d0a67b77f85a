/** The features of a network as an ONNX file: `pixels` `[B, C, H, W]` in, `cls` `[B, D]` and `patches` `[B, N, D]` out. */
import { basename } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { onnxOf } from '../../compiler/targets/onnx/emit.ts'
import type { OnnxModel, OnnxTensor } from '../../compiler/targets/onnx/file.ts'
import { encoded } from '../../compiler/targets/onnx/file.ts'
import type { Sides } from '../../compiler/targets/onnx/images.ts'
import { beginImages, imageInput, inputNames, openOf, pixelsAt } from '../../compiler/targets/onnx/images.ts'
import type { Point } from '../../compiler/targets/onnx/size.ts'
import type { Expr } from '../../core/expr.ts'
import { leaf } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, leavesOf } from '../../core/model.ts'
import { substitute } from '../../core/rewrite.ts'
import { trace } from '../../core/trace.ts'
import { tensorType } from '../../core/type.ts'
import { writeFile } from '../../data/formats/file.ts'
import { measuredPosition, measuredRope } from '../../models/measured.ts'
import { gridOf } from '../../models/options.ts'
import type { Vit } from '../../models/vit.ts'
import type { Values } from '../step/values.ts'

/** What is written: features of images over parameters that lie under no root, their values, and the backbone itself where it is a ViT. */
export interface FeatureNetwork {
  readonly features: (pixels: Expr) => { readonly cls: Expr; readonly patches: Expr }
  readonly weights: Values
  readonly channels: number
  readonly vit: O.Option<Vit>
}

/** What a file says of itself: `preprocess`, how pictures become pixels, as JSON. */
export type Metadata = Readonly<Record<string, string>>

const graphOf = (cls: Expr, patches: Expr): Either<Fault, Graph> => trace('features', [value('cls', cls), value('patches', patches)])

/** A ViT whose positions count the grid themselves. */
const openVit = (model: Vit, pixels: Expr): Either<Fault, Graph> => {
  const f = call(model, context('eval'), '', leavesOf('', model.params), pixels)
  const { position, patch, width, heads } = model.options
  const square = leaf(tensorType('bool', []), { _tag: 'Input', path: inputNames.square })
  const measured = new Map<Expr, Expr>()
  if (position.kind === 'learned') {
    const stored = leavesOf('', model.params).pos_embed
    if (stored !== undefined)
      measured.set(f.position, measuredPosition({ grid: gridOf(model.options), patch, ...position }, f.grid, square)(stored))
  } else if (f.rope !== undefined) {
    const tables = measuredRope(position, width / heads, f.grid)
    measured.set(f.rope.sin, tables.sin)
    measured.set(f.rope.cos, tables.cos)
  }
  return pipe(graphOf(f.cls, f.patches), E.map(substitute(measured)))
}

const graphAt =
  (n: FeatureNetwork, sides: Sides) =>
  (at: Point): Either<Fault, Graph> => {
    const pixels = input(inputNames.pixels, pixelsAt(sides, n.channels, at))
    if (sides._tag === 'Open' && O.isSome(n.vit)) return openVit(n.vit.value, pixels)
    const f = n.features(pixels)
    return graphOf(f.cls, f.patches)
  }

/** The model. Faults: those of tracing, and of the operators; a network that is another one at another size. */
export const onnxFeatures = (n: FeatureNetwork, sides: Sides, about: string, metadata: Metadata = {}): Either<Fault, OnnxModel> =>
  onnxOf({
    name: 'features',
    about,
    open: openOf(sides),
    graph: graphAt(n, sides),
    inputs: [imageInput(sides, n.channels)],
    begin: beginImages(sides),
    values: n.weights,
    metadata,
  })

/** Protocol Buffers end at 2 GiB: what is larger has its tensors in a file beside it. */
const largest = 2 ** 31 - 2 ** 20

/** Tensors begin at multiples of a page, so that they can be mapped. */
const page = 4096

interface Split {
  readonly model: OnnxModel
  readonly beside: ReadonlyArray<Uint8Array>
}

const bytesIn = (x: OnnxTensor): Uint8Array => (x.elements._tag === 'Here' ? x.elements.bytes : new Uint8Array())

/** The model with all that is larger than a page in a file of that name. */
const splitUp = (model: OnnxModel, file: string): Split => {
  const beside: Array<Uint8Array> = []
  let at = 0
  const tensors = model.tensors.map((x): OnnxTensor => {
    const bytes = bytesIn(x)
    if (bytes.length < page) return x
    const padding = (page - (at % page)) % page
    beside.push(new Uint8Array(padding), bytes)
    const offset = at + padding
    at = offset + bytes.length
    return { ...x, elements: { _tag: 'Beside', file, offset, length: bytes.length } }
  })
  return { model: { ...model, tensors }, beside }
}

/** Writes a model; gives the files. `most`: bytes that one file may have. */
export const writeOnnx =
  (path: string, most = largest) =>
  (model: OnnxModel): TaskEither<Fault, ReadonlyArray<string>> => {
    const size = model.tensors.reduce((n, x) => n + bytesIn(x).length, 0)
    const data = `${path}.data`
    const split = size > most ? splitUp(model, basename(data)) : { model, beside: [] }
    const chunks = (all: ReadonlyArray<Uint8Array>): ReadonlyArray<() => Uint8Array> => all.map((bytes) => () => bytes)
    return pipe(
      split.beside.length === 0 ? TE.right(undefined) : writeFile('io', data)(chunks(split.beside)),
      TE.chain(() => writeFile('io', path)(chunks(encoded(split.model, 'dinograph').parts))),
      TE.map(() => (split.beside.length === 0 ? [path] : [path, data])),
    )
  }
