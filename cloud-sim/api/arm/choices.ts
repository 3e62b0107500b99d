import type { Choice } from '../../choices.js';

/** What the resource manager does where no source says what Azure's does; docs/differences-from-azure.md shows it. */
export const armChoices = {
  unservedOperation: { value: 501, why: 'NotSupportedByLocalCloud: clients ask again after other codes above 499' },
  unservedMember: { value: 400, why: 'NotSupportedByLocalCloud: what cannot be had is refused by its name instead of overlooked' },
  staleEtag: { value: 412, why: 'of If-Match and of the body alike, where az sends it; the specification names neither' },
  etagOfNothing: { value: 412, why: 'an etag says that the resource was there' },
  numberedErrorsFrom: {
    value: '2022-12-12',
    why: 'of DPS: the first specification file in which the code of an error is an integer, here the status times 1000; before, and of hubs, it is a name',
  },
  patchedSize: { value: 'taken', why: 'the specification has tags alone in a PATCH; a size that came along must not be overlooked' },
  maskedKey: {
    value: 'kept',
    why: 'az sends a linked hub back as GET showed it: the stored key stays, if host and policy are those of the link',
  },
  oldOperations: { value: 1000, why: 'the latest ones are remembered; all have succeeded when their first answer goes out' },
  pageItems: { value: 100, why: 'on a page of a list; `$top` asks for fewer' },
  tokenSeconds: { value: 3600, why: "the life of an access token, as Azure's" },
} as const satisfies Record<string, Choice<unknown>>;
