/** Strategies as settings: what is trained of a network, and how. */
import * as E from 'fp-ts/lib/Either.js'
import { fit } from '../../../compiler/passes/fit.ts'
import { halfStorage } from '../../../compiler/passes/precision.ts'
import { blocksAsRegions, remat } from '../../../compiler/passes/remat.ts'
import type { FreezeOptions } from '../../../models/freeze.ts'
import type { Field, ValueOf } from '../../config/field.ts'
import { expression, flag, list, oneOf, optional, real, whole } from '../../config/field.ts'
import type { Section } from '../../config/section.ts'
import { section } from '../../config/section.ts'
import type { Planned } from '../../run/assembly.ts'
import type { LossScale } from '../../step/loss-scale.ts'
import type { Phase } from '../../run/phases.ts'
import type { StepStage } from '../../step/step.ts'
import { rewriteStep } from '../../step/step.ts'
import { freeze } from '../../step/strategies/freeze.ts'
import { lora } from '../../step/strategies/lora.ts'
import { half } from '../../step/strategies/precision.ts'
import type { Strategy } from '../../step/strategies/strategy.ts'
import { notThere, strategies } from '../../step/strategies/strategy.ts'
import { adapters, adaptersOf } from '../../config/adapters.ts'
import type { Own } from '../part.ts'
import { ownMade, ownSections } from '../part.ts'

/** Whether anything is named. */
const freezes = (o: Omit<Freezing, 'until'>): boolean =>
  o.prefix > 0 || o.blocks.length > 0 || o.patchEmbed || o.position || o.tokens || o.norms || o.paths !== ''

interface Freezing {
  readonly prefix: number
  readonly blocks: ReadonlyArray<number>
  readonly patchEmbed: boolean
  readonly position: boolean
  readonly tokens: boolean
  readonly norms: boolean
  readonly paths: string
  readonly until: number
}

export const freezing: Field<Freezing> = section<Freezing>(
  'what of the networks is frozen',
  {
    prefix: whole(0, 'first blocks, with all that comes before them'),
    blocks: list(whole(0, 'a block'), [], 'blocks by number'),
    patchEmbed: flag(false, 'the patch embedding'),
    position: flag(false, 'learned positions'),
    tokens: flag(false, 'class, register and mask tokens'),
    norms: flag(false, 'all normalisations of the backbone'),
    paths: expression('', 'whatever has this expression in its path, such as ^backbone; empty: nothing'),
    until: whole(0, 'the step at which it begins to move; 0: never'),
  },
  [
    {
      at: 'until',
      of: ['prefix', 'blocks', 'patchEmbed', 'position', 'tokens', 'norms', 'paths', 'until'],
      holds: (f) => f.until === 0 || freezes(f),
      allowed: () => '0 where nothing is frozen',
      remedy: 'name what is frozen until then, such as prefix: 6 or paths: ^backbone',
    },
  ],
)

const lossScale = section('the loss is multiplied and gradients are divided, so that f16 holds them', {
  initial: real(65536, 'the factor at first; 0: none', { min: 0 }),
  growth: real(2, 'what it is multiplied by when it rises', { min: 1 }),
  backoff: real(0.5, 'what it is multiplied by when something overflows', { above: 0, below: 1 }),
  interval: whole(2000, 'steps in a row without an overflow after which it rises', { min: 1 }),
})

export const halving = section('floats of 16 bits in blocks; a target without them says so', {
  type: oneOf(
    ['f16', 'bf16'],
    'which: f16, whose gradients need a scaled loss, or bf16, which has the range of f32 and rounds 8 times as much',
  ),
  contractions: flag(false, 'their products have operands and results of 16 bits, and sums in f32'),
  storage: flag(false, 'what gradients read of them is kept in 16 bits; all arithmetic stays f32'),
  lossScale,
})

export const strategySettings = section(
  'what is trained, and how',
  {
    lora: optional(adapters),
    freeze: freezing,
    half: halving,
    remat: flag(false, 'computes activations of blocks again in place of keeping them'),
    regions: whole(1, 'blocks that are computed again together', { min: 1 }),
    fit: whole(0, 'MiB that a step may take: as few blocks as that takes are computed again; 0: as much as it takes'),
    accumulate: whole(1, 'micro-batches to a change of the parameters', { min: 1 }),
  },
  [
    {
      at: 'fit',
      of: ['fit', 'remat'],
      holds: (s) => s.fit === 0 || !s.remat,
      allowed: () => '0 beside remat, which computes all blocks again',
      remedy: 'choose one of the two: fit computes as few again as it takes',
    },
    {
      at: 'half',
      of: ['fit', 'remat', 'half'],
      holds: (s) => !s.half.storage || (!s.remat && s.fit === 0),
      allowed: () => 'storage: false beside remat and fit: what is computed again is not kept',
      remedy: 'choose one of the two',
    },
  ],
)

export type Strategies = ValueOf<typeof strategySettings>

/** The settings with those of plugins: `strategies.NAME` is null where it is not used. */
export const strategySettingsWith = (own: Own<Strategy>): Section<Strategies> => strategySettings.beside(ownSections(own))

/** The plugins' strategies of such settings, one after the other. */
export const ownStrategyOf =
  (own: Own<Strategy>) =>
  (s: Strategies): Strategy =>
    strategies(
      ownMade(
        own,
        s,
        (name, settings): Strategy =>
          () =>
            E.left(notThere(`strategies.${name}`, 'its settings', Object.keys(settings.parts))),
      ),
    )

const freezeOf = ({ prefix, blocks, paths, patchEmbed, position, tokens, norms }: Freezing): FreezeOptions => ({
  ...(prefix === 0 ? {} : { prefix }),
  blocks,
  patchEmbed,
  position,
  tokens,
  norms,
  ...(paths === '' ? {} : { paths: new RegExp(paths, 'u') }),
})

/** What they change of the objective, in the order that makes sense: what is frozen gets no adapters, and adapters are contractions too. */
export const strategyOf = (o: Strategies): Strategy =>
  strategies([
    ...(freezes(o.freeze) ? [freeze(freezeOf(o.freeze))] : []),
    ...(o.lora === null ? [] : [lora(adaptersOf(o.lora))]),
    ...(o.half.contractions ? [half({ dtype: o.half.type })] : []),
  ])

/** What they change of the derived step. */
export const rewriteOf =
  (o: Strategies, planned: Planned) =>
  (step: StepStage): StepStage => {
    const regions = blocksAsRegions(o.regions)
    if (o.remat) return rewriteStep(remat({ regions }))(step)
    if (o.fit > 0) return rewriteStep(fit({ bytes: o.fit * 2 ** 20, planned, regions }))(step)
    return o.half.storage ? rewriteStep(halfStorage({ regions, dtype: o.half.type }))(step) : step
  }

/** How the loss is scaled: where contractions are in f16. */
export const scalingOf = ({ half: { type, contractions, lossScale: scale } }: Strategies): { readonly lossScale?: LossScale } =>
  contractions && type === 'f16' && scale.initial > 0 ? { lossScale: scale } : {}

interface Frozen {
  readonly steps: number
  readonly strategies: Strategies
}

const moving = <S extends Frozen>(s: S): S => ({
  ...s,
  strategies: {
    ...s.strategies,
    freeze: {
      ...s.strategies.freeze,
      prefix: 0,
      blocks: [],
      patchEmbed: false,
      position: false,
      tokens: false,
      norms: false,
      paths: '',
      until: 0,
    },
  },
})

/** Phases of which each is two where something is frozen for a while: so what is frozen costs nothing as long as it is. */
export const thawed = <S extends Frozen>(
  s: S,
  phases: ReadonlyArray<Phase<S>> = [{ name: '', from: 0, settings: s }],
): ReadonlyArray<Phase<S>> => {
  const { until } = s.strategies.freeze
  if (until === 0 || until >= s.steps) return phases.map((p) => (p.name === '' ? { ...p, name: 'training' } : p))
  const named = (name: string, p: Phase<S>): Phase<S> => ({ ...p, name: p.name === '' ? name : `${p.name}, ${name}` })
  return phases.flatMap((p, i) => {
    const moves = named('all moves', { ...p, from: Math.max(p.from, until), settings: moving(p.settings) })
    const still = named('partly frozen', p)
    return p.from >= until ? [moves] : until < (phases[i + 1]?.from ?? Infinity) ? [still, moves] : [still]
  })
}
