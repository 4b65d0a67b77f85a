/**
 * Masks beside images, which are no images to train on: by the names that people and challenges give them, and only where the images that
 * they belong to are there (no class is lost because it is called `mask`). Medical Segmentation Decathlon and nnU-Net: labelsTr
 * beside imagesTr; BraTS: x_seg beside x_flair; BIDS: derivatives beside sub-*.
 */
import { grouped } from './walk.ts'

const maskFolder =
  /^(labels?|masks?|segs?|segmentations?|annotations?|annots?|gts?|ground[-_ ]?truths?)([-_ ]?(tr|ts|val|train|test|images?|class|object|2d))?$|^(train|val|test|images?)[-_ ]?(labels?|masks?|segs?|gts?|annots?)$|^((1st|2nd|\d)[-_ ]?)?manual([-_ ]?\d)?$/i
const imageFolder =
  /^(images?|imgs?|pictures?|photos?|scans?|volumes?|inputs?|raw|originals?|data|jpegimages|jpe?gs?|pngs?|ct|mri?|train|val|test|tr|ts)([-_ ]?(tr|ts|val|train|test))?$/i
const maskEnding =
  /^(.+?)[ _.-]+(masks?|segm?s?|segmentations?|labels?|labelmap|gts?|gt(?:fine|coarse)(?:[ _-]\w+)?|dseg|probseg|rois?|brainmask|lesions?|manual|(?:1st|2nd)HO|ground[-_ ]?truths?)([ _-]?(?:\d+|old|new|final|corrected))?$/i

/** A mask by its whole name, beside the image of its case: KiTS' segmentation.nii.gz beside imaging.nii.gz. */
const maskName =
  /^(masks?|segs?|segmentations?|labels?|labelmap|aseg|aparc\S*|wmparc\S*|ribbon|brain[-_ ]?mask|lesions?([-_ ]?masks?)?|gts?|ground[-_ ]?truths?|rois?)$/i
/** The mask word first: LiTS' segmentation-0.nii beside volume-0.nii. */
const maskBeginning = /^(?:masks?|segs?|segmentations?|labels?|labelmap|gts?)[-_ ](.+)$/i
/** Folders of masks of one case each, which lie beside its image: TotalSegmentator's s0001/segmentations/. */
const caseMasks = /^(masks|segs|segmentations|instances|labels|ground[-_ ]?truths?|rois)$/i

const folderIn = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

const endingOf = (path: string): string =>
  nameOf(path)
    .replace(/^[^.]*/, '')
    .toLowerCase()

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

/** Masks of cases that have a folder each: of at least two cases, so that no class is lost. */
const caseMasksOf = (paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (!paths.some((p) => /\/(masks|seg|instances|labels|ground|rois)/i.test(p))) return []
  const direct = new Set(paths.map(folderIn))
  const found = paths.filter((p) => {
    const folder = folderIn(p)
    return caseMasks.test(nameOf(folder)) && folder.includes('/') && direct.has(folderIn(folder))
  })
  return new Set(found.map((p) => folderIn(folderIn(p)))).size >= 2 ? found : []
}

/** Masks by their own whole name, or by its beginning, beside the images that they belong to. */
const besideOf = (paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const likely = paths.filter((p) => /(^|\/)(mask|seg|label|aseg|aparc|wmparc|ribbon|brain|lesion|gt|ground|roi)[^/]*$/i.test(p))
  if (likely.length === 0) return []
  const folders = grouped(paths, folderIn)
  const ends = new Map<string, ReadonlySet<string>>()
  const endsIn = (folder: string): ReadonlySet<string> => {
    const known =
      ends.get(folder) ??
      new Set(
        (folders.get(folder) ?? [])
          .map(stemOf)
          .filter((s) => !maskBeginning.test(s))
          .map((s) => s.replace(/^[^-_ ]*[-_ ]/, '')),
      )
    ends.set(folder, known)
    return known
  }
  return likely.filter((p) => {
    const stem = stemOf(p)
    const own = folders.get(folderIn(p)) ?? []
    if (maskName.test(stem)) return own.length <= 8 && own.some((o) => !maskName.test(stemOf(o)) && endingOf(o) === endingOf(p))
    const rest = maskBeginning.exec(stem)?.[1]
    return rest !== undefined && endsIn(folderIn(p)).has(rest)
  })
}

/** Those of the paths that are masks of others. */
export const masksOf = (paths: ReadonlyArray<string>): ReadonlySet<string> => {
  const masks = new Set<string>()
  const inFolders = new Map<string, NonNullable<ReturnType<typeof maskFolderOf>>>()
  let [folder, within] = ['', maskFolderOf('')]
  for (const p of paths) {
    // paths of one folder come one after the other
    const own = folderIn(p)
    if (own !== folder) [folder, within] = [own, maskFolderOf(p)]
    if (within !== undefined) inFolders.set(p, within)
  }
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
    // BraTS: a case's mask may have a word more than its image
    const isOf = (p: string, base: string): boolean =>
      stems.has(base) || (/\.nii(\.gz)?$/i.test(p) && stems.has(base.slice(0, Math.max(0, base.lastIndexOf('_')))))
    for (const [p, base] of named) if (isOf(p, base)) masks.add(p)
  }
  for (const p of [...caseMasksOf(paths), ...besideOf(paths)]) masks.add(p)
  if (paths.some((p) => /(^|\/)sub-[^/]+\//.test(p))) for (const p of paths) if (/(^|\/)derivatives\//.test(p)) masks.add(p)
  return masks.size < paths.length ? masks : new Set()
}

/** What of `data.select` reads masks: their folders, which hold nothing else, or everything where they lie among images. */
export const selectingMasks = (masks: ReadonlySet<string>): string => {
  const folders = new Set([...masks].map((p) => maskFolderOf(p)?.folder))
  const patterns = [...folders].flatMap((f) => (f === undefined ? [] : [`${f}/*`]))
  if (patterns.length < folders.size || patterns.length > 4) return 'data.select=all reads them too'
  const setting = `data.select=${patterns.length === 1 ? patterns[0] : `[${patterns.join(', ')}]`}`
  return `${setting.includes(' ') ? `'${setting}'` : setting} reads them alone`
}
