// What a channel's history policy means, in words.
import { t } from '#client/lib/i18n.ts';
import { HISTORY_POLICIES, type HistoryPolicy } from '#shared/channels.ts';

/** The ways to choose from, with what each means; the first is taken unless another is. */
export const policyChoices = (): { value: HistoryPolicy; title: string; text: string }[] => [
  { value: 'since_join', title: t('history.sinceJoin'), text: t('history.sinceJoinChoice') },
  { value: 'shared', title: t('history.shared'), text: t('history.sharedChoice') },
  { value: 'ephemeral', title: t('history.ephemeral'), text: t('history.ephemeralChoice') },
];

/** The policy a chosen card stands for. */
export const policyOf = (chosen: string): HistoryPolicy =>
  HISTORY_POLICIES.find((policy) => policy === chosen) ?? 'since_join';

/** Above the first message. */
export function policyStartWords(policy: HistoryPolicy): string {
  switch (policy) {
    case 'since_join':
      return t('history.sinceJoinStart');
    case 'shared':
      return t('history.sharedStart');
    case 'ephemeral':
      return t('history.ephemeralStart');
  }
}

/** Beside the list of readers. */
export function policyReadersWords(policy: HistoryPolicy): string {
  switch (policy) {
    case 'since_join':
      return t('history.sinceJoinReaders');
    case 'shared':
      return t('history.sharedReaders');
    case 'ephemeral':
      return t('history.ephemeralReaders');
  }
}

/** Where it became another one. */
export function policyChangeWords(to: HistoryPolicy): string {
  switch (to) {
    case 'since_join':
      return t('history.nowSinceJoin');
    case 'shared':
      return t('history.nowShared');
    case 'ephemeral':
      return t('history.nowEphemeral');
  }
}
