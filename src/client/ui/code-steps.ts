/** A new recovery code on its way: shown once, then four of its groups typed back, then it counts. */
export interface CodeSteps {
  /** `code` shows it, `retype` asks for its groups. */
  readonly step: string;
  readonly recoveryCode: string;
  isRetyped: boolean;
  readonly isFinishing: boolean;
  /** "I've written it down". */
  askBack(): void;
  showCodeAgain(): void;
  /** To what came before the code; nothing happened yet. */
  back(): void;
  finish(): Promise<void>;
}
