/** A backbone from tensors alone, by official names or timm's. */
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations } from '../../../core/model.ts'
import { showShape } from '../../../core/type.ts'
import type { Stored } from '../../../data/formats/stored.ts'
import { readStored } from '../../../data/formats/stored.ts'
import type { Plan } from '../../../models/huggingface/names.ts'
import type { Officially } from '../../../models/huggingface/official.ts'
import { isBesideBackbone, officially } from '../../../models/huggingface/official.ts'
import type { VitOptions } from '../../../models/options.ts'
import { vit } from '../../../models/vit.ts'
import type { Located } from './locate.ts'
import { locate } from './locate.ts'
import { inferOptions } from './outline.ts'
import { gatherWeights, listOf, misfit, sameButOnes } from './weights.ts'
import type { Raw, ReadOptions } from './backbone.ts'
import { misused, typesOf } from './backbone.ts'

/** Each of our tensors by those of the file that it is. */
const planOf = (options: VitOptions, known: Officially): Plan => ({
  mappings: declarations(vit(options).params).map(([official, d]) => ({
    official,
    shape: d.shape,
    parts: known.get(official)?.parts ?? [{ name: official, shape: d.shape }],
    neutral: 0,
  })),
  extras: [],
})

/** timm's EVA-02 turns queries and keys by rotary positions beside its learned ones, of which no tensor says anything. */
const isTurned = (names: Pick<Located['inside'], 'has'>): boolean => names.has('pos_embed') && names.has('blocks.0.mlp.fc1_g.weight')

const stateAnchors = [{ first: 'patch_embed.proj.weight', beside: ['cls_token'] }]

/** A backbone that only its tensors describe, by official names or timm's. */
export const rawOfState = (place: string, stored: Stored, o: ReadOptions, change: Partial<VitOptions> = {}): TaskEither<Fault, Raw> =>
  pipe(
    TE.fromEither(locate(place, stored.tensors, stateAnchors, o.network ?? 'teacher')),
    TE.filterOrElse(
      ({ inside }) => !isTurned(inside),
      () =>
        fault('data', {
          place,
          found: 'pos_embed and blocks.0.mlp.fc1_g.weight, as EVA-02 has them',
          allowed: 'learned positions, or rotary ones: both at once are not known here',
          remedy: 'choose a DINO, DINOv2 or DINOv3 backbone',
        }),
    ),
    TE.bindTo('located'),
    TE.bind('known', ({ located: { inside } }) => TE.right(officially(new Map([...inside].map(([name, x]) => [name, x.shape]))))),
    TE.bind('periods', ({ located: { inside }, known }) =>
      pipe(
        readStored(
          inside,
          (known.get('rope_embed.periods')?.parts ?? []).flatMap((p) => ('name' in p ? [p.name] : [])),
        ),
        TE.map((read) => [...read.values()][0]?.data),
      ),
    ),
    TE.chain(({ located, known, periods }) =>
      pipe(
        TE.fromEither(
          pipe(
            inferOptions(
              { shapes: new Map([...known].map(([name, { shape }]) => [name, shape])), ...(periods === undefined ? {} : { periods }) },
              o.heads ?? headsIn(stored),
            ),
            E.mapLeft(misused(place, `${located.inside.size} tensors: ${listOf([...located.inside.keys()])}`)),
          ),
        ),
        TE.chain((inferred) => {
          const options = {
            ...inferred,
            ...epsIn(stored),
            ...change,
            ...(o.dialect === 'huggingface' && inferred.position?.kind === 'learned'
              ? { position: { ...inferred.position, offset: 0 } }
              : {}),
          }
          const plan = planOf(options, known)
          const wanted = new Set(plan.mappings.map((m) => m.official))
          const used = new Map(
            [...known].flatMap(([official, { parts }]) => parts.flatMap((p) => ('name' in p ? [[p.name, official] as const] : []))),
          )
          const beside = (name: string): boolean => isBesideBackbone(used.get(name) ?? name)
          const missing = [...wanted].filter((name) => !known.has(name))
          const strange = [...used].filter(([name, official]) => !wanted.has(official) && !beside(name)).map(([name]) => name)
          if (missing.length > 0) return TE.left(misfit(place, missing, strange))
          const unlike = plan.mappings.find((m) => !sameButOnes(known.get(m.official)?.shape ?? [], m.shape))
          if (unlike !== undefined)
            return TE.left(
              fault('data', {
                place: `${place}: ${unlike.official}`,
                found: showShape(known.get(unlike.official)?.shape ?? []),
                allowed: showShape(unlike.shape),
                remedy: 'check that all tensors of the file are of one model',
              }),
            )
          return pipe(
            gatherWeights(place, plan, o.unknown ?? 'refuse', beside)(located.inside),
            TE.map((gathered): Raw => ({
              options,
              source: 'official',
              stored: typesOf(located.inside),
              ...gathered,
              notes: [...stored.notes, ...located.notes],
            })),
          )
        }),
      ),
    ),
  )

/** The number of heads that goes with a file, where this project has written it. */
const headsIn = ({ metadata }: Stored): number | undefined => (/^\d{1,4}$/.test(metadata.heads ?? '') ? Number(metadata.heads) : undefined)

/** The epsilon of norms, the same. */
const epsIn = ({ metadata }: Stored): Partial<VitOptions> => {
  const eps = Number(metadata.eps ?? NaN)
  return eps > 0 && eps < 1 ? { eps } : {}
}
