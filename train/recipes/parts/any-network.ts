/** Backbones of every kind as settings: `kind` names it, and a Vision Transformer is what there is where nothing does. */
import type { Expr } from '../../../core/expr.ts'
import * as E from 'fp-ts/lib/Either.js'
import { byPath, isExpr } from '../../../core/model.ts'
import { misuse } from '../../../core/primitive.ts'
import { blanked } from '../../../models/patch.ts'
import type { VitInput } from '../../../models/vit.ts'
import type { ValueOf } from '../../config/field.ts'
import type { Choice, OtherKind } from '../../config/section.ts'
import { variants } from '../../config/section.ts'
import type { Backbone } from '../../step/method.ts'
import type { Maker, Own } from '../part.ts'
import { choice, ofAny } from '../part.ts'
import type { Asked } from './network.ts'
import { backboneOf, networkSettings } from './network.ts'
import { convnextSettings, pyramidOf, swinSettings } from './pyramid.ts'

const kinds = { vit: networkSettings, swin: swinSettings, convnext: convnextSettings }

export const anyNetworkSettings = variants('the backbone, a Vision Transformer, a Swin or a ConvNeXt', kinds, 'vit')

export type AnyNetwork = ValueOf<typeof anyNetworkSettings>

/** Pixels along the side of what a patch of its features stands for. */
const patchOf = (n: AnyNetwork): number => (n.kind === 'vit' ? n.patch : pyramidOf(n).patch)

export type Made = (o: Asked) => Backbone<unknown, Expr | VitInput>

const made =
  (n: AnyNetwork): Made =>
  (o) => {
    if (n.kind !== 'vit') {
      const pyramid = pyramidOf(n, o)
      return { ...pyramid, pyramid }
    }
    const { kind, ...settings } = n
    const network = backboneOf(settings, o)
    return { ...byPath(network), width: network.width, patch: network.patch, blocks: n.depth, [kind]: network }
  }

/** A backbone of any kind: `anyNetwork({ kind: 'convnext', widths: [16, 32], depths: [2, 2] })`. */
export const anyNetwork = choice(anyNetworkSettings, made)

/** A backbone of a plugin as methods take it: where patches are hidden from it, they are blank. */
export const erased = <B>(b: Backbone<B>): Backbone<unknown, Expr | VitInput> => {
  const { apply, ...own } = byPath(b)
  return {
    ...own,
    width: b.width,
    patch: b.patch,
    ...(b.blocks === undefined ? {} : { blocks: b.blocks }),
    apply: (c, p) => (x) => {
      const { images, mask }: VitInput = isExpr(x) ? { images: x } : x
      return apply(c, p)(mask === undefined ? images : blanked(b.patch)(images, mask))
    },
  }
}

/** One of the usual kinds, or of a plugin's. */
export type SomeNetwork = AnyNetwork | OtherKind

export const usualBackbones: ReadonlyArray<string> = Object.keys(kinds)

const isUsual = (n: SomeNetwork): n is AnyNetwork => Object.hasOwn(kinds, n.kind)

/** Backbones of any kind, those of plugins too. */
export interface SomeNetworks extends Maker<SomeNetwork, Made> {
  readonly settings: Choice<SomeNetwork>
  /** Pixels along the side of what a patch of its features stands for. */
  readonly patchOf: (n: SomeNetwork) => number
}

/** Settings that name no backbone, which no decoded ones are: said when the step is traced. */
const none = (kind: string): Backbone<unknown, Expr | VitInput> => {
  const missing = () => misuse(kind, [], { allowed: 'settings of a backbone', remedy: 'decode them first' })
  return { params: {}, width: 1, patch: 1, apply: () => () => ({ cls: missing(), patches: missing() }) }
}

export const someNetworks = (own: Own<Made>): SomeNetworks => {
  const settings = anyNetworkSettings.beside(new Map([...own].map(([kind, { settings: s }]) => [kind, s])))
  const make = (n: SomeNetwork): Made => {
    if (isUsual(n)) return made(n)
    const { kind, ...rest } = n
    const its = own.get(kind)?.of(rest)
    return its === undefined || E.isLeft(its) ? () => none(kind) : its.right
  }
  return { settings, make, of: ofAny(settings, make), patchOf: (n) => (isUsual(n) ? patchOf(n) : make(n)({}).patch) }
}
