/**
 * What suits images that a program was not written for: crops, network, batch and length of a run, from what the images are and what
 * computes them. One table; nothing in it is said where a person says something else.
 */
import type { Choice } from './layers.ts'

/** What the images of a run are. */
export interface Kind {
  readonly images: number
  readonly channels: number
  /** Pixels along the shorter side: that of most images. */
  readonly side: number
  /** What values measure, and how they were taken, where that is known. */
  readonly units?: string
  readonly modality?: string
}

export interface Machine {
  readonly cores: number
  /** Whether a graphics processor or the like was named. */
  readonly accelerated: boolean
}

interface Preset {
  readonly about: string
  readonly suits: (k: Kind) => boolean
  readonly settings: (k: Kind, m: Machine) => Choice
}

interface Shape {
  readonly patch: number
  readonly global: number
  readonly local: number
  readonly network: readonly [width: number, depth: number, heads: number]
  readonly head: readonly [hidden: number, bottleneck: number, prototypes: number]
  readonly batch: number
  readonly lr: number
}

/** Whole patches within a side, at least two. */
const whole = (side: number, patch: number): number => patch * Math.max(2, Math.floor(side / patch))

/** The smallest crops that are taken. */
const smallest = 5

const crops = (global: number, patch: number, share: number): Pick<Shape, 'patch' | 'global' | 'local'> => ({
  patch,
  global,
  local: patch * Math.max(Math.ceil(smallest / patch), Math.round((share * global) / patch)),
})

/** Thumbnails, small pictures, and all others by what computes them: as many tokens as a step of a second or so takes. */
const shapeOf = ({ side, channels }: Kind, { cores, accelerated }: Machine): Shape => {
  if (side <= 40) {
    const patch = side >= 28 && side < 32 ? 7 : 4
    const network = channels === 1 ? ([64, 3, 4] as const) : ([128, 6, 4] as const)
    return { ...crops(whole(side, patch), patch, 0.5), network, head: [128, 64, 512], batch: 64, lr: 2e-3 }
  }
  if (side <= 96) return { ...crops(whole(Math.min(64, side), 8), 8, 0.5), network: [128, 6, 4], head: [256, 64, 512], batch: 64, lr: 1e-3 }
  if (accelerated)
    return { ...crops(whole(Math.min(224, side), 16), 16, 0.43), network: [384, 12, 6], head: [2048, 256, 4096], batch: 64, lr: 5e-4 }
  return { ...crops(96, cores >= 8 ? 8 : 16, 0.5), network: [192, 12, 3], head: [512, 128, 1024], batch: 32, lr: 5e-4 }
}

/** Times that every image is seen, where that is neither too short to learn nor longer than one waits. */
const epochs = 100
const least = 300
const most = 5000

/** Of first values: two digits of one over the root of the width. */
const beginningStd = (width: number): number => Number((width ** -0.5).toPrecision(2))

const shaped = (k: Kind, m: Machine): Choice => {
  const { patch, global, local, network, head, lr, ...s } = shapeOf(k, m)
  const batch = Math.min(s.batch, Math.max(2, Math.floor(k.images / 2)))
  const steps = Math.min(most, Math.max(least, Math.ceil((epochs * k.images) / batch)))
  return {
    batch,
    steps,
    'model.patch': patch,
    'model.width': network[0],
    'model.depth': network[1],
    'model.heads': network[2],
    // in runs this short, blocks and places that begin near zero are learned too late (docs/figures.md)
    'model.initStd': beginningStd(network[0]),
    'model.positionStd': 1,
    'head.hidden': head[0],
    'head.bottleneck': head[1],
    // prototypes that no image would come to
    'head.prototypes': k.images < 2000 ? Math.min(256, head[2]) : head[2],
    'augmentation.globalSize': global,
    'augmentation.localSize': local,
    'optimizer.lr': lr,
    'optimizer.lrRule': 'none',
    'schedule.warmup': 0.1,
    'schedule.temperatureWarmup': 0.3333,
    // without it features of batches this small fall onto a line (spec/train/mended.test.ts)
    'objective.koleo': 0.1,
  }
}

/**
 * What was found on digits of 28 pixels (docs/figures.md): what `examples/dinov2.ts` says, and what configurations begin with that name no
 * other images.
 */
export const onDigits: Choice = {
  'model.patch': 7,
  'model.width': 128,
  'model.depth': 3,
  'model.heads': 4,
  'model.layerScale': 0.1,
  'model.initStd': 0.1,
  'model.positionStd': 1,
  'head.hidden': 128,
  'head.bottleneck': 64,
  'head.prototypes': 512,
  'augmentation.recipe': 'digits',
  'augmentation.globalSize': 28,
  'augmentation.globalScale': [0.6, 1],
  'augmentation.locals': 2,
  'augmentation.localSize': 21,
  'augmentation.localScale': [0.5, 0.9],
  'augmentation.warp.probability': 1,
  'augmentation.warp.rotation': 20,
  'augmentation.warp.shear': 0.3,
  'augmentation.blur.probability': 0.5,
  'augmentation.blur.sigma': [0.1, 1.5],
  'optimizer.lr': 2e-3,
  'optimizer.lrRule': 'none',
  'optimizer.minLr': 1e-5,
  'optimizer.wd': 0.04,
  'optimizer.wdEnd': 0.04,
  'optimizer.clip': 3,
  'schedule.warmup': 0.1,
  'schedule.momentum': 0.96,
  'schedule.temperatureFrom': 0.015,
  'schedule.temperature': 0.015,
  'objective.centring': 'sinkhorn',
  'objective.koleo': 0.1,
}

/** The teacher of the papers for batches of dozens of images; that of digits is sharper, and follows sooner. */
const teacher: Choice = {
  'schedule.momentum': 0.98,
  'schedule.temperatureFrom': 0.04,
  'schedule.temperature': 0.05,
  'augmentation.warp.probability': 0,
}

const plain: Choice = {
  ...teacher,
  'augmentation.recipe': 'digits',
  'augmentation.globalScale': [0.4, 1],
  'augmentation.localScale': [0.1, 0.4],
  'augmentation.locals': 4,
  'augmentation.blur.probability': 0.5,
  'augmentation.blur.sigma': [0.1, 1],
  'data.normalisation': 'computed',
}

const coloured: Choice = {
  ...teacher,
  'augmentation.recipe': 'v2',
  'augmentation.globalScale': [0.32, 1],
  'augmentation.localScale': [0.05, 0.32],
  'augmentation.locals': 4,
  'augmentation.flip': 0.5,
}

/** Where one network learns from another, that one is what a preset has, and the student half as wide and deep, on global crops alone. */
export const distilled = (choice: Choice): Choice => {
  const [width, depth] = [choice['model.width'], choice['model.depth']]
  if (typeof width !== 'number' || typeof depth !== 'number') return choice
  return {
    ...choice,
    ...Object.fromEntries(
      Object.entries(choice)
        .filter(([path]) => path.startsWith('model.'))
        .map(([path, v]) => [path.replace('model', 'large'), v]),
    ),
    'model.width': width / 2,
    'model.depth': Math.ceil(depth / 2),
    'model.initStd': beginningStd(width / 2),
    'augmentation.locals': 0,
  }
}

/** Of a choice what there are settings for; of objectives DINO alone has something to be set, the others begin as they should. */
export const chosenFor = (settings: ReadonlyArray<{ readonly path: string }>, objective: unknown): ((c: Choice) => Choice) => {
  const paths = new Set(settings.map((s) => s.path))
  return (c) =>
    Object.fromEntries(Object.entries(c).filter(([path]) => paths.has(path) && (objective === 'dinov1' || !path.startsWith('objective.'))))
}

/** By name; the first that suits is taken, and those that suit nothing are taken where they are named. */
export const presets = {
  digits: {
    about: 'small gray pictures, on which the shipped settings were found',
    suits: ({ channels, side, units }) => channels === 1 && side <= 40 && units === undefined,
    settings: (k, m) => (k.side === 28 ? onDigits : { ...onDigits, ...shaped(k, m) }),
  },
  ct: {
    about: 'slices in Hounsfield units: no colours, and no mirrors, as left and right mean something',
    suits: ({ units, modality }) => units === 'HU' || modality === 'CT',
    settings: (k, m) => ({ ...shaped(k, m), ...plain, 'augmentation.flip': 0 }),
  },
  gray: {
    about: 'slices of other modalities, X-rays, gray pictures, bands: brightness changes, colours do not',
    suits: ({ channels }) => channels !== 3,
    settings: (k, m) => ({
      ...shaped(k, m),
      ...plain,
      'augmentation.flip': k.modality === undefined ? 0.5 : 0,
      'augmentation.jitter.probability': 0.5,
      'augmentation.jitter.brightness': 0.2,
      'augmentation.jitter.contrast': 0.2,
    }),
  },
  natural: {
    about: 'colour pictures: colours, mirrors and blur of DINOv2',
    suits: ({ channels }) => channels === 3,
    settings: (k, m) => ({ ...shaped(k, m), ...coloured, 'data.normalisation': 'imagenet' }),
  },
  microscopy: {
    about: 'stained or fluorescent tissue: any direction is as good as any other; only where it is named',
    suits: () => false,
    settings: (k, m) => ({
      ...shaped(k, m),
      ...(k.channels === 3 ? coloured : plain),
      'augmentation.flip': 0.5,
      'augmentation.warp.probability': 1,
      'augmentation.warp.rotation': 180,
      'augmentation.warp.shear': 0,
      'data.normalisation': 'computed',
    }),
  },
} as const satisfies Readonly<Record<string, Preset>>

export type PresetName = keyof typeof presets

const has = (name: string): name is PresetName => Object.hasOwn(presets, name)

export const presetNames: ReadonlyArray<PresetName> = Object.keys(presets).filter(has)

export const isPreset = (name: unknown): name is PresetName => typeof name === 'string' && has(name)

/** The preset that images suit. */
export const presetFor = (k: Kind): PresetName => presetNames.find((name) => presets[name].suits(k)) ?? 'gray'

const counted = (n: number): string => n.toLocaleString('en')

/** How often something is seen, of a run that may end before all is. */
const timesOf = (n: number): string => (n < 0.95 ? `${n.toPrecision(1)} times` : n < 1.5 ? 'once' : `${n.toFixed(0)} times`)

/** A choice in a few lines, each with its reason; `valueAt` says what it has come to at a path, nothing where the preset leaves it. */
export const saidOf = (name: PresetName, k: Kind, m: Machine, valueAt: (path: string) => unknown): ReadonlyArray<string> => {
  const at = (path: string): string => String(valueAt(path))
  const images = `${counted(k.images)} images of ${k.channels} channel${k.channels === 1 ? '' : 's'}, most of ${k.side} pixels and more a side${k.units === undefined || k.units === 'stored' ? '' : `, in ${k.units}`}`
  return [
    `preset ${name}, as the data are ${images}: ${presets[name].about}`,
    ...(valueAt('model.patch') === undefined
      ? []
      : [
          `crops of ${at('augmentation.globalSize')} and ${at('augmentation.localSize')} pixels in patches of ${at('model.patch')}: ${
            k.side <= 96
              ? 'as large as the images'
              : m.accelerated
                ? 'as in the papers'
                : `what ${m.cores} cores compute in a second or so; --target of a graphics processor takes larger ones`
          }`,
          `a network ${at('model.width')} wide with ${at('model.depth')} blocks, ${
            valueAt('large.width') === undefined
              ? `and ${at('head.prototypes')} prototypes, as suit ${counted(k.images)} images`
              : `that learns from one ${at('large.width')} wide with ${at('large.depth')}`
          }`,
          ...(Number(valueAt('objective.koleo') ?? 0) > 0
            ? [`KoLeo ${at('objective.koleo')} beside DINO, which holds the features of small batches apart`]
            : []),
          `${at('steps')} step${at('steps') === '1' ? '' : 's'} of ${at('batch')} images (--steps, --epochs or --minutes say another length): each ${timesOf((Number(at('steps')) * Number(at('batch'))) / k.images)}`,
        ]),
    '--preset none takes what the program says, --preset NAME another; whatever is set stays as it is set',
  ]
}
