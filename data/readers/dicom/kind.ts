/** What a DICOM image is: what distinguishes slices from report pages, masks, doses and scouts (PS3.4 Annex B.5, PS3.3 C.7.6.1.1.2). */
import type { Kind } from '../kinds.ts'
import type { DicomHeader } from './header.ts'

/** Objects with pixels that are no images of a patient by themselves, by the end of their SOP class, and how they compete. */
const roles: ReadonlyArray<readonly [ending: RegExp, role: string, claim: number]> = [
  [/^66\.[47]$/, 'segmentation', 0],
  [/^481\.2$/, 'dose', 0],
  [/^481\./, 'radiotherapy', 0],
  [/^30$/, 'parametric-map', 0],
  [/^(11|88|104)(\.|$)/, 'report', 0],
  [/^1\.[123]\.1$/, 'for-processing', 0.5],
  [/^7(\.[1-4])?$/, 'secondary-capture', 0.1],
]

const storage = '1.2.840.10008.5.1.4.1.1.'

/** Modalities that say the same where the class of an object does not. */
const asides: ReadonlySet<string> = new Set(['SEG', 'RTSTRUCT', 'RTPLAN', 'RTDOSE', 'RTIMAGE', 'SR', 'PR', 'KO', 'DOC', 'REG'])

/** Words of image types that make images of another kind of those that have them not. */
const flags: ReadonlyArray<readonly [word: RegExp, flag: string, claim: number]> = [
  [/^(LOCALI[ZS]ER|SCOUT|TOPOGRAM|SURVIEW|SCANOGRAM)$/, 'localizer', 0],
  [/^(DOSE(_INFO|_REPORT)?|SCREEN ?SAVE|SCREENSHOT|CSA REPORT|REPORT)$/, 'report', 0],
  [/^(LABEL|OVERVIEW|THUMBNAIL)$/, 'overview', 0],
  [/^(P|PHASE( MAP)?|P_.*|VELOCITY)$/, 'phase', 1],
  [/^(R|REAL|R_.*|I|IMAGINARY|I_.*)$/, 'complex', 1],
  [/^(ADC|FA|TRACEW?|CBF|CBV|MTT|TTP|T[12*]+[ _]?MAP)$/, 'map', 1],
  [/^(MPR|REFORMATTED|MIP|MINIP|AVERAGE|PROJECTION IMAGE|VOLUME ?RENDERING|3D)$/, 'reformatted', 1],
]

const scout = /\b(locali[sz]er|scout|topogram|surview|scanogram)\b/i

/** Modalities whose images are slices, which have one size where they belong together. */
export const sliced: ReadonlySet<string> = new Set(['CT', 'MR', 'PT', 'NM'])

const isColour = (h: DicomHeader): boolean => h.samples === 3 || h.palette !== undefined

/** The kind of an image. Images of one kind can be seen through the same windows. */
export const kindOf = (h: DicomHeader): Kind => {
  const ending = h.sopClass.startsWith(storage) ? h.sopClass.slice(storage.length) : ''
  const role = roles.find(([e]) => e.test(ending))
  const own = h.type.slice(2)
  const marked = flags.filter(([word]) => own.some((t) => word.test(t)))
  const named = marked.length === 0 && sliced.has(h.modality) && scout.test(h.description) ? ['localizer'] : []
  const made = sliced.has(h.modality)
    ? h.type
        .slice(0, 2)
        .filter((t) => t === 'DERIVED' || t === 'SECONDARY')
        .map((t) => t.toLowerCase())
    : []
  return {
    words: [
      h.modality === '' ? 'unknown' : h.modality,
      ...(role === undefined ? [] : [role[1]]),
      ...marked.map(([, flag]) => flag),
      ...named,
      ...made,
      ...(isColour(h) ? [] : h.units !== 'stored' ? [h.units.replace(/\s+/g, '-')] : h.modality === 'CT' ? ['unscaled'] : []),
      isColour(h) ? 'colour' : 'gray',
      ...(sliced.has(h.modality) ? [`${h.rows}x${h.columns}`] : []),
    ],
    claim: Math.min(role?.[2] ?? 1, named.length > 0 || asides.has(h.modality) ? 0 : 1, ...marked.map(([, , claim]) => claim)),
  }
}
