/** Datasets from their origins: what a thread receives in place of functions. */
import { reopeners } from '../readers/index.ts'
import { reopenWith } from '../readers/reader.ts'
import { intensityView } from './intensity.ts'
import { settledView } from './missing.ts'
import { negativeView } from './negative.ts'

/** The dataset that has this origin. Law: its items, labels and sources are those of the dataset that gave the origin. */
export const reopen = reopenWith([...reopeners, negativeView, intensityView, settledView])
