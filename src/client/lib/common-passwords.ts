// The passwords that every guessing run tries first, as bare lower-case words; endings and swaps are undone before the look-up.
const WORDS = `
123456 123456789 12345678 1234567890 1234567 12345 123123 123321 111111 000000 121212 654321 666666 112233
987654321 0987654321 123456789a a123456789 1q2w3e4r5t 1q2w3e4r 1qaz2wsx 1qaz2wsx3edc q1w2e3r4t5 zaq12wsx qazwsx
qazwsxedc qwerty qwertyui qwertyuiop qwerty123456 qwertz qwertzuiop azerty azertyuiop asdfgh asdfghjkl zxcvbn
zxcvbnm password passw0rd passwort password1 motdepasse contrasena parola letmein letmeinnow welcome welcometo
welcomehome iloveyou iloveyouso ilovegod iloveyou2 loveyou lovely princess princesa sunshine monkey dragon
football baseball basketball soccer hockey superman batman spiderman starwars pokemon pikachu minecraft
fortnite roblox master hello hellohello helloworld freedom whatever trustno1 trustnoone nothing secret
topsecret mysecret mypassword changeme changeit default administrator admin adminadmin root toor guest user
test testing testtest tester login access computer internet samsung google facebook instagram linkedin
youtube apple microsoft windows android iphone killer ninja shadow michael jordan jessica jennifer ashley
nicole daniel andrew joshua matthew robert thomas anthony charlie michelle amanda justin hannah samantha
elizabeth alexander alexandra jonathan benjamin christian christopher stephanie patricia maria carlos
liverpool chelsea arsenal barcelona realmadrid juventus manchester bayern dortmund yankees lakers cowboys
steelers eagles rangers chicago newyork london paris berlin germany america england australia canada
summer winter spring autumn january february march april june july august september october november december
monday tuesday wednesday thursday friday saturday sunday flower butterfly rainbow chocolate cookie banana
orange cherry strawberry blueberry pumpkin ginger pepper cheese pizza coffee buster bailey maggie tigger
lucky angel blessed jesus jesuschrist heaven forever family mother father sister brother babygirl babyboy
sweetheart beautiful handsome darling honey sexy fuckyou fuckoff bullshit asshole biteme matrix phoenix
mustang ferrari porsche mercedes corvette harley yamaha ducati honda toyota diamond silver golden purple
yellow orange1 access14 abc123 abcdef abcdefg abcdefgh abcd1234 aa123456 a1b2c3d4 passpass pass1234 trustme
letmein1 openup opensesame correcthorse correcthorsebatterystaple zaq1zaq1 chatalot
`;

const all: ReadonlySet<string> = new Set(WORDS.split(/\s+/).filter(Boolean));
const letters: readonly string[] = [...all]
  .filter((word) => /^[a-z]+$/.test(word))
  .sort((a, b) => b.length - a.length);

/** Letters back from the digits and signs people put in their place. */
export const unleet = (text: string): string =>
  text
    .replace(/[@4]/g, 'a')
    .replace(/3/g, 'e')
    .replace(/[1!|]/g, 'i')
    .replace(/0/g, 'o')
    .replace(/[$5]/g, 's')
    .replace(/7/g, 't');

/** The words of the list that are plain letters, longest first. */
export const commonWords = (): readonly string[] => letters;

const known = (word: string): boolean => all.has(word) || all.has(unleet(word));

/** True for a listed password, also doubled, with digits or signs around it, or with letters swapped for digits. */
export function isCommonPassword(password: string): boolean {
  const lower = password.toLowerCase().replace(/\s+/g, '');
  if (known(lower)) return true;
  if (/^(.)\1+$/u.test(lower)) return true;
  const trimmed = lower.replace(/^[^a-z]+/, '').replace(/[^a-z]+$/, '');
  if (trimmed.length >= 4 && known(trimmed)) return true;
  const half = lower.slice(0, lower.length / 2);
  return lower.length % 2 === 0 && half.length >= 3 && half + half === lower && known(half);
}
