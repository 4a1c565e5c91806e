// The pictures both screens of a linking show: 64, told apart at a glance and by name. Their order is part of what both
// sides must agree on, so it never changes.
const PICTURES =
  '🦊 🐝 🦉 🐌 🦀 🐳 🦆 🐊 🦒 🐪 🐇 🦔 🌻 🍀 🌴 🌲 🍁 🌈 ⭐ ❄️ 🌊 🌋 🍇 🍉 🍋 🍒 🥕 🌶️ 🥐 🧀 🍿 🍩 🍦 ☕ 🧩 🎲 🎯 🎈 🪁 🎨 🥁 🎻 🪗 📷 📻 🔭 🧲 🧭 🪜 🧵 🪣 🧺 🕯️ 🪑 🛋️ 🚪 ⛺ 🏰 🗼 🌉 ⛵ 🛶 🚜 🛴'.split(
    ' ',
  );

/** The picture with this number, 0 to 63. */
export const linkPicture = (index: number): string => PICTURES[index] ?? '';
