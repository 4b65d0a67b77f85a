/**
 * Masks beside images, which are no images to train on: by the names that people and challenges give them, and only where the images that
 * they belong to are there (no class is lost because it is called `mask`). Medical Segmentation Decathlon and nnU-Net: labelsTr
 * beside imagesTr; BraTS: x_seg beside x_flair; BIDS: derivatives beside sub-*.
 */
import { grouped } from './walk.ts'

const maskFolder =
  /^(labels?|masks?|segs?|segmentations?|annotations?|annots?|gts?|ground[-_ ]?truths?)([-_ ]?(tr|ts|val|train|test|images?|class|object|2d))?$|^(train|val|test|images?)[-_ ](labels?|masks?|segs?|gts?)$/i
const imageFolder =
  /^(images?|imgs?|pictures?|photos?|scans?|volumes?|inputs?|raw|originals?|data|jpegimages|jpe?gs?|pngs?|ct|mri?|train|val|test|tr|ts)([-_ ]?(tr|ts|val|train|test))?$/i
const maskEnding =
  /^(.+?)[ _.-]+(masks?|segs?|segmentations?|labels?|labelmap|gts?|dseg|probseg|rois?|brainmask|ground[-_ ]?truths?)([ _-]?\d+)?$/i

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** A file's name without its endings. */
const stemOf = (path: string): string =>
  nameOf(path)
    .replace(/\.(gz)$/i, '')
    .replace(/\.[^.]*$/, '')

/** The stem, and the stem of which this is one contrast: `BraTS_001_flair` is of `BraTS_001`, `la_003_0000` of `la_003`. */
const stemsOf = (path: string): ReadonlyArray<string> => {
  const stem = stemOf(path)
  const cut = stem.lastIndexOf('_')
  return cut > 0 ? [stem, stem.slice(0, cut)] : [stem]
}

/** What is before the folder of masks, what it is called, or nothing. */
const maskFolderOf = (path: string): { readonly before: string; readonly folder: string } | undefined => {
  const parts = path.split('/').slice(0, -1)
  const at = parts.findIndex((p) => maskFolder.test(p))
  return at < 0 ? undefined : { before: parts.slice(0, at).join('/'), folder: parts.slice(0, at + 1).join('/') }
}

/** Stems of images by the folder that the folder of images, or the images, lie in. */
const imagesBy = (paths: ReadonlyArray<string>): ReadonlyMap<string, ReadonlySet<string>> => {
  const found = new Map<string, Set<string>>()
  const add = (folder: string, path: string): void => {
    const known = found.get(folder) ?? new Set<string>()
    for (const s of stemsOf(path)) known.add(s)
    found.set(folder, known)
  }
  for (const path of paths) {
    const parts = path.split('/').slice(0, -1)
    add(parts.join('/'), path)
    parts.forEach((p, i) => {
      if (imageFolder.test(p)) add(parts.slice(0, i).join('/'), path)
    })
  }
  return found
}

/** Those of the paths that are masks of others. */
export const masksOf = (paths: ReadonlyArray<string>): ReadonlySet<string> => {
  const masks = new Set<string>()
  const inFolders = new Map(
    paths.flatMap((p) => {
      const m = maskFolderOf(p)
      return m === undefined ? [] : [[p, m] as const]
    }),
  )
  if (inFolders.size > 0) {
    const images = imagesBy(paths.filter((p) => !inFolders.has(p)))
    for (const own of grouped(inFolders, ([, m]) => m.folder).values()) {
      const beside = images.get(own[0][1].before)
      const partners = beside === undefined ? 0 : own.filter(([p]) => stemsOf(p).some((s) => beside.has(s))).length
      if (2 * partners >= own.length) for (const [p] of own) masks.add(p)
    }
  }
  const named = paths.flatMap((p) => {
    const m = masks.has(p) ? null : maskEnding.exec(stemOf(p))
    return m === null ? [] : [[p, m[1]] as const]
  })
  if (named.length > 0) {
    const of = new Set(named.map(([p]) => p))
    const stems = new Set(paths.filter((p) => !of.has(p) && !masks.has(p)).flatMap(stemsOf))
    for (const [p, base] of named) if (stems.has(base)) masks.add(p)
  }
  if (paths.some((p) => /(^|\/)sub-[^/]+\//.test(p))) for (const p of paths) if (/(^|\/)derivatives\//.test(p)) masks.add(p)
  return masks.size < paths.length ? masks : new Set()
}

/** What of `data.select` reads masks: their folders, which hold nothing else, or everything where they lie among images. */
export const selectingMasks = (masks: ReadonlySet<string>): string => {
  const folders = new Set([...masks].map((p) => maskFolderOf(p)?.folder))
  const patterns = [...folders].flatMap((f) => (f === undefined ? [] : [`${f}/*`]))
  return patterns.length < folders.size
    ? 'all reads them too'
    : `${patterns.length === 1 ? patterns[0] : `[${patterns.join(', ')}]`} reads them alone`
}
