import type { Family } from '../plan/cidr.ts';
import type { RedirectPlan } from '../plan/redirect-plan.ts';
import { buildRules } from './build-rules.ts';
import { iptablesText, iptablesUndoText } from './iptables.ts';
import { nftText, nftUndoText } from './nftables.ts';

/** The rules as text, for those who bring them into force themselves: an init container, a CNI plugin, a person. */
export interface CaptureTexts {
  /** For `iptables-restore --noflush` (`ip6tables-restore`) where none of these rules are yet. */
  readonly iptables: string;
  /** What takes them away again. */
  readonly iptablesUndo: string;
  /** For `nft -f -`, at any time. */
  readonly nft: string;
  readonly nftUndo: string;
}

export function captureTexts(plan: RedirectPlan, family: Family): CaptureTexts {
  const rules = buildRules(plan, family);
  const iptables = iptablesText(rules);
  return {
    iptables,
    // What was just made is what is present.
    iptablesUndo: iptablesUndoText(iptables),
    nft: nftText(rules, family),
    nftUndo: nftUndoText(family),
  };
}
