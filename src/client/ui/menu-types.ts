import type { IconComponent } from './icon-type.ts';

export interface MenuItem {
  kind?: 'item';
  id: string;
  label: string;
  icon?: IconComponent;
  danger?: boolean;
  disabled?: boolean;
  /** A key shown at the end, e.g. `R`. */
  shortcut?: string;
  /** A word shown at the end, e.g. why it is off. */
  note?: string;
  onselect: () => void;
}

export interface MenuSeparator {
  kind: 'separator';
  id: string;
}

/** One entry of a menu; menus, context menus and phone sheets take the same lists. */
export type MenuEntry = MenuItem | MenuSeparator;
