/**
 * ONNX as a device of tests: graphs are written as files of one size, and run by onnxruntime-web, which is onnxruntime as WebAssembly:
 * the package for Node downloads more when it is installed.
 */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { InferenceSession, Tensor } from 'onnxruntime-web'
import { onnxOf } from '../../compiler/targets/onnx/emit.ts'
import type { OnnxModel } from '../../compiler/targets/onnx/file.ts'
import { encoded } from '../../compiler/targets/onnx/file.ts'
import type { Device, Feed, HostArray } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, messageOf } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import { fed, fitting } from '../../compiler/targets/feed.ts'
import type { DType, TensorType } from '../../core/type.ts'

const words: Readonly<Record<Exclude<DType, 'bf16'>, 'float32' | 'float16' | 'int32' | 'bool'>> = {
  f32: 'float32',
  f16: 'float16',
  i32: 'int32',
  bool: 'bool',
}

const tensorOf = ({ dtype, shape }: TensorType, data: HostArray): Tensor =>
  dtype === 'i32'
    ? new Tensor(words.i32, Int32Array.from(data), shape)
    : dtype === 'bool'
      ? new Tensor(words.bool, Uint8Array.from(data), shape)
      : new Tensor(words.f32, Float32Array.from(data), shape)

const failed = (e: unknown): Fault =>
  fault('target', { place: 'onnxruntime', found: messageOf(e), allowed: 'a model that it runs', remedy: 'look at what was written' })

/** The bytes of a file. */
export const bytesOf = (m: OnnxModel): Uint8Array => Buffer.concat(encoded(m, 'dinograph').parts)

export const sessionOf = (m: OnnxModel): TaskEither<Fault, InferenceSession> =>
  TE.tryCatch(() => InferenceSession.create(bytesOf(m), { logSeverityLevel: 3 }), failed)

/** The numbers of a tensor; what comes from native code is of another realm than `instanceof` asks for. */
const numbersOf = ({ type, data, size }: Tensor): HostArray => {
  if (!ArrayBuffer.isView(data)) return new Float32Array()
  const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)
  return type === 'int32'
    ? new Int32Array(bytes, 0, size)
    : type === 'bool'
      ? new Uint8Array(bytes, 0, size)
      : new Float32Array(bytes, 0, size)
}

/** Outputs of a session for inputs by name. */
export const runSession = (
  s: InferenceSession,
  inputs: Readonly<Record<string, Tensor>>,
): TaskEither<Fault, ReadonlyMap<string, HostArray>> =>
  TE.tryCatch(async () => new Map(Object.entries(await s.run(inputs)).map(([name, x]) => [name, numbersOf(x)] as const)), failed)

/** A device as targets have one. Residents are inputs of what is written. */
export const onnxDevice = (): Device => {
  const held = new Map<string, readonly [TensorType, HostArray]>()
  return {
    name: 'onnx',
    description: 'onnxruntime',
    memory: 'machine',
    road: { graph: [] },
    write: (path, type, data) =>
      TE.fromIO(() => {
        held.set(path, [type, data])
      }),
    read: (path) => TE.of(held.get(path)?.[1] ?? new Float32Array()),
    resident: () => new Map([...held].map(([path, [type]]) => [path, type])),
    planned: () => E.right(0),
    compile: (g: Graph) => {
      const leaves = leavesOfGraph(g)
      // an output may be called as an input is
      const outputs = g.outputs.map((o, i) => ({ ...o, role: 'value' as const, path: `out ${i}` }))
      return pipe(
        TE.fromEither(
          onnxOf({
            name: 'graph',
            about: '',
            open: [],
            graph: () => E.right({ ...g, outputs }),
            inputs: leaves.map((l) => ({ name: l.path, type: l.type.dtype, shape: l.type.shape })),
            begin: () => new Map(leaves.map((l) => [l.path, l.path])),
            values: new Map(),
            metadata: {},
          }),
        ),
        TE.chain(sessionOf),
        TE.map((session) => ({
          source: [],
          launches: 1,
          run: (feed: Feed) =>
            pipe(
              leaves,
              E.traverseArray(({ path, type, source }) =>
                pipe(
                  source._tag === 'Param' || source._tag === 'State'
                    ? fitting('resident', path, type, held.get(path)?.[1])
                    : fed(type, source, feed),
                  E.map((data) => [path, tensorOf(type, data)] as const),
                ),
              ),
              TE.fromEither,
              TE.chain((inputs) => runSession(session, Object.fromEntries(inputs))),
              TE.map((results) => {
                const handed = new Map<string, HostArray>()
                g.outputs.forEach((o, i) => {
                  const x = results.get(`out ${i}`) ?? new Float32Array()
                  if (o.role === 'state') held.set(o.path, [o.expr.type, x])
                  else handed.set(o.path, x)
                })
                return handed
              }),
            ),
        })),
      )
    },
    close: () => undefined,
  }
}
