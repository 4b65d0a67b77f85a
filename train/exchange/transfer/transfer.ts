/**
 * A run that starts from an earlier run, a Hugging Face folder or model, or a file of official weights, with whatever objective: DINO's
 * weights trained on with DINOv2's, the reverse, and so on. All that differs is reported; optimizer state begins anew.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { equalShape } from '../../../core/type.ts'
import type { ChannelRule } from '../huggingface/imagery.ts'
import type { Values } from '../../step/values.ts'
import { localModel } from '../huggingface/hub.ts'
import type { Network } from '../network.ts'
import type { Resident } from '../../step/objective.ts'
import { ownerOf } from '../../step/share.ts'
import { carryBackbone } from './backbone.ts'
import { carryHeads, headNames, under } from './heads.ts'
import type { Source } from './source.ts'
import { readSource } from './source.ts'
import type { Carried, Wanted } from './tensors.ts'
import { nothing } from './tensors.ts'

export interface StartOptions {
  /** `new`: the backbone alone is taken over. Default `take`. */
  readonly heads?: 'take' | 'new'
  /** Which network of a run; both networks begin as it. Default `teacher`. */
  readonly network?: Network
  /** The model that adapters belong to, where they do not say it. */
  readonly base?: string
  /** How a patch embedding changes its channels. Default `sum`. */
  readonly channelRule?: ChannelRule
  /** The attention heads of the network, which no tensor says: a source of another number is refused. */
  readonly attentionHeads?: number
  /** The networks that begin so, beside those that average them. Default: the student and a Gram teacher. */
  readonly roots?: ReadonlyArray<string>
}

const usualRoots = ['student', 'teacher.gram']

/** What averages a tensor begins equal to it. */
const withAverages = (residents: ReadonlyArray<Resident>, values: Values): Values =>
  new Map([
    ...values,
    ...residents.flatMap((r): ReadonlyArray<readonly [string, Float32Array]> => {
      const own = r.role === 'average' ? values.get(ownerOf(r.path)) : undefined
      return own === undefined ? [] : [[r.path, own]]
    }),
  ])

const wantedUnder = (residents: ReadonlyArray<Resident>, root: string): Wanted =>
  new Map(residents.flatMap((r) => (r.path.startsWith(`${root}.`) ? [[r.path.slice(root.length + 1), r.declaration] as const] : [])))

/** A centre belongs to its head: it is taken over only beside heads that are. */
const carryKept = (wanted: Wanted, source: Source, heads: Carried, wantedHeads: ReadonlyArray<string>): Carried => {
  const whole = wantedHeads.every((name) => under(name, heads.values).size > 0)
  const fitting = [...wanted].filter(([path, d]) => whole && equalShape(source.kept.get(path)?.shape ?? [], d.shape)).map(([path]) => path)
  const rest = [...wanted.keys()].filter((path) => !fitting.includes(path))
  return {
    values: new Map(fitting.map((path) => [path, source.kept.get(path)?.values ?? new Float32Array()])),
    notes: rest.length === 0 ? [] : [`${rest.join(', ')}: begins anew`],
  }
}

/** The first values of all that a source has for a run's tensors, by their whole paths. Fault: a backbone that does not fit. */
export const carryOver = (residents: ReadonlyArray<Resident>, source: Source, o: StartOptions = {}): Either<Fault, Carried> => {
  if (o.attentionHeads !== undefined && source.attentionHeads !== undefined && o.attentionHeads !== source.attentionHeads)
    return E.left(
      fault('config', {
        place: 'start',
        found: `${o.attentionHeads} attention heads for weights of ${source.attentionHeads}`,
        allowed: `${source.attentionHeads}`,
        remedy: 'give the network as many heads as the one that it starts from',
      }),
    )
  const roots = (o.roots ?? usualRoots)
    .map((root) => ({ root, wanted: wantedUnder(residents, root) }))
    .filter(({ wanted }) => under('backbone', wanted).size > 0)
  return pipe(
    roots,
    E.traverseArray(({ root, wanted }) =>
      pipe(
        carryBackbone(under('backbone', wanted), source.backbone, o.channelRule ?? 'sum'),
        E.map((backbone) => {
          const heads = o.heads === 'new' ? nothing : carryHeads(wanted, source.heads)
          return {
            root,
            heads,
            wantedHeads: headNames.filter((name) => under(name, wanted).size > 0),
            values: [
              ...[...backbone.values].map(([p, x]) => [`${root}.backbone.${p}`, x] as const),
              ...[...heads.values].map(([p, x]) => [`${root}.${p}`, x] as const),
            ],
            notes: [...backbone.notes, ...heads.notes],
          }
        }),
      ),
    ),
    E.map((all): Carried => {
      const [first] = all
      const kept = first === undefined ? nothing : carryKept(wantedUnder(residents, 'loss'), source, first.heads, first.wantedHeads)
      return {
        values: withAverages(
          residents,
          new Map([...all.flatMap((c) => c.values), ...[...kept.values].map(([p, x]) => [`loss.${p}`, x] as const)]),
        ),
        notes: [...new Set(all.flatMap((c) => c.notes)), ...(o.heads === 'new' ? ['heads begin anew, as asked'] : []), ...kept.notes],
      }
    }),
  )
}

/** Where a run happens, as far as its start needs it. */
export interface Starting {
  readonly residents: ReadonlyArray<Resident>
  readonly say: (text: string) => void
}

/**
 * Reads what lies at `path` (a folder, a file, or the id of a model), and gives the first values of a run; says what was taken over and
 * what is new.
 */
export const startFrom =
  (path: string, o: StartOptions = {}) =>
  ({ residents, say }: Starting): TaskEither<Fault, Values> =>
    pipe(
      localModel(process.env, say)(path),
      TE.chain((local) =>
        readSource(local, {
          network: o.network ?? 'teacher',
          ...(o.attentionHeads === undefined ? {} : { heads: o.attentionHeads }),
          ...(o.base === undefined ? {} : { base: o.base }),
        }),
      ),
      TE.bindTo('source'),
      TE.bind('carried', ({ source }) => TE.fromEither(carryOver(residents, source, o))),
      TE.map(({ source, carried }) => {
        say(
          `starting from ${path}: ${carried.values.size} of ${residents.filter((r) => !r.path.startsWith('optimizer.')).length} tensors taken over; the optimizer begins anew`,
        )
        for (const note of [...source.notes, ...carried.notes]) say(`  ${note}`)
        return carried.values
      }),
    )
