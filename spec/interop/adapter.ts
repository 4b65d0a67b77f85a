/**
 * `npx tsx spec/interop/adapter.ts BASE ADAPTER PIXELS.safetensors OUT.safetensors MERGED [OPTIONS.json]`: tokens of a Hugging Face
 * folder with an adapter beside its layers, and the folder with the adapter merged. With OPTIONS, an adapter of random values is written
 * first. For adapters.py.
 */
import { readFile } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import { openTarget } from '../../compiler/targets/open.ts'
import type { Fault } from '../../core/fault.ts'
import { fault, showFault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { stream } from '../../core/random.ts'
import { trace } from '../../core/trace.ts'
import { join } from '../../core/tree.ts'
import { sizeOf } from '../../core/type.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { floatTensor, floatsOf } from '../../data/formats/tensor.ts'
import type { Values } from '../../train/step/values.ts'
import type { Backbone } from '../../train/exchange/huggingface/backbone.ts'
import { readBackbone } from '../../train/exchange/huggingface/reader.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { writeResidents } from '../../train/run/state.ts'
import type { Objective, Resident } from '../../train/step/objective.ts'
import type { LoraStrategy } from '../../train/step/strategies/lora.ts'
import { lora } from '../../train/step/strategies/lora.ts'
import { readAdapters, withAdapters, writeAdapters } from '../../train/exchange/peft/folder.ts'
import { withinNetwork } from '../../train/step/strategies/strategy.ts'

const [folder, adapter, pixels, out, mergedFolder, optionsFile] = process.argv.slice(2)

const optionsCodec = t.intersection([
  t.type({ targets: t.union([t.readonlyArray(t.string), t.string]) }),
  t.partial({
    rank: t.number,
    alpha: t.number,
    rsLora: t.boolean,
    dora: t.boolean,
    rankPattern: t.record(t.string, t.number),
    alphaPattern: t.record(t.string, t.number),
    save: t.readonlyArray(t.string),
    bias: t.keyof({ none: null, all: null, lora_only: null }),
  }),
])

const root = 'student.backbone'

/** A backbone as an objective: what strategies change. */
const objectiveOf = (b: Backbone, images: HostTensor): E.Either<Fault, Objective> =>
  pipe(
    trace('tokens', [
      value('tokens', call(b.model, context('eval'), root, leavesOf(root, b.model.params), input('images', images.shape)).tokens),
    ]),
    E.map((graph) => ({
      graph,
      residents: declarations(b.model.params).map(([path, declaration]): Resident => ({
        path: join(root, path),
        declaration,
        role: 'trained',
      })),
    })),
  )

const under = (values: Values): Values => new Map([...values].map(([path, v]) => [`backbone.${path}`, v]))

/** Values for what is trained: random, of the size of what was there. */
const randomised = (o: Objective, base: Values): Values =>
  new Map(
    o.residents
      .filter((r) => r.role === 'trained')
      .map((r) => {
        const [s, path] = [stream(7, r.path, 0), withinNetwork(r.path)]
        const old = base.get(path)
        const magnitude = path.endsWith('lora_magnitude_vector')
        return [
          path,
          Float32Array.from(
            { length: sizeOf(r.declaration.shape) },
            (_, i) => (old?.[i] ?? (magnitude ? 1 : 0)) + (magnitude ? 0.2 : 0.1) * s.normal(i),
          ),
        ]
      }),
  )

const tokensOf = (
  b: Backbone,
  o: LoraStrategy,
  values: Values,
  name: string,
  images: HostTensor,
): TaskEither<Fault, readonly [string, HostTensor]> =>
  pipe(
    TE.Do,
    TE.bind('plain', () => TE.fromEither(objectiveOf(b, images))),
    TE.bind('adapted', ({ plain }) => TE.fromEither(lora({ ...o, dropout: 0 })(plain))),
    TE.bind('device', () => openTarget('gpujs:webasm')),
    TE.chainFirst(({ device, adapted }) =>
      writeResidents(device, adapted.residents)(new Map([...values].map(([path, v]) => [`student.${path}`, v]))),
    ),
    TE.bind('run', ({ device, adapted }) => device.compile(adapted.graph)),
    TE.bind('data', () => TE.fromEither(floatsOf(name)(images))),
    TE.bind('values', ({ run, data }) => run.run({ values: new Map([['images', data]]) })),
    TE.map(({ device, plain, values: found }) => {
      device.close()
      return [
        name.replace('pixels', 'tokens'),
        floatTensor(plain.graph.outputs[0].expr.type.shape, Float32Array.from(found.get('tokens') ?? [])),
      ] as const
    }),
  )

const options: TaskEither<Fault, LoraStrategy> = pipe(
  TE.tryCatch(
    async (): Promise<unknown> => JSON.parse(await readFile(optionsFile, 'utf8')),
    () => fault('io', { place: optionsFile, found: 'no options', allowed: 'a file of JSON', remedy: 'check the path' }),
  ),
  TE.chainEitherK((json) =>
    pipe(
      optionsCodec.decode(json),
      E.mapLeft((errors) =>
        fault('config', {
          place: optionsFile,
          found: `${errors.length} mistakes`,
          allowed: 'options of LoRA',
          remedy: 'correct the options',
        }),
      ),
    ),
  ),
)

const write = (b: Backbone, images: HostTensor): TaskEither<Fault, void> =>
  pipe(
    TE.Do,
    TE.bind('o', () => options),
    TE.bind('adapted', ({ o }) => TE.fromEither(pipe(objectiveOf(b, images), E.chain(lora(o))))),
    TE.chain(({ o, adapted }) => {
      const base = under(b.weights)
      const shapes = new Map(adapted.residents.map((r) => [withinNetwork(r.path), r.declaration.shape]))
      return writeAdapters(
        adapter,
        { names: b.source === 'official' ? 'own' : b.source, lora: o, base: folder, shapes },
        adapted.adapters ?? [],
      )(new Map([...base, ...randomised(adapted, base)]))
    }),
  )

const all = pipe(
  TE.Do,
  TE.bind('backbone', () => readBackbone(folder, { dialect: 'huggingface' })),
  TE.bind('images', () => readSafetensors(pixels)),
  TE.chainFirst(({ backbone, images }) =>
    optionsFile === undefined ? TE.right(undefined) : write(backbone, [...images.tensors.values()][0]),
  ),
  TE.bind('base', ({ backbone }) => TE.right(under(backbone.weights))),
  TE.bind('read', ({ backbone, base }) => readAdapters(adapter, backbone.source === 'official' ? 'own' : backbone.source, base)),
  TE.bind('tokens', ({ backbone, base, read, images }) =>
    pipe(
      [...images.tensors],
      TE.traverseSeqArray(([name, x]) => tokensOf(backbone, read.lora, new Map([...base, ...read.values]), name, x)),
    ),
  ),
  TE.chainFirst(({ tokens }) => writeSafetensors(out)({ tensors: new Map(tokens), metadata: {} })),
  TE.chain(({ backbone }) => withAdapters(adapter, [backbone.source === 'official' ? 'own' : backbone.source])(backbone)),
  TE.chain(writeBackbone(mergedFolder)),
)

const done = await all()
if (E.isLeft(done)) {
  process.stderr.write(`${showFault(done.left)}\n`)
  process.exitCode = 1
}
