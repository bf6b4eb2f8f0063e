/** The classes of characters that Oniguruma knows by name: \p{..}, [[:..:]], \w and their like. */
import { createCharSet } from './char-set.ts';
import type { CharSet } from './char-set.ts';
import { isAssignedIn17 } from './unicode-version.ts';

const generalCategories =
  'C:other Cc:control Cf:format Cn:unassigned Co:privateuse Cs:surrogate L:letter LC:casedletter Ll:lowercaseletter Lm:modifierletter ' +
  'Lo:otherletter Lt:titlecaseletter Lu:uppercaseletter M:mark Mc:spacingmark Me:enclosingmark Mn:nonspacingmark N:number ' +
  'Nd:decimalnumber Nl:letternumber No:othernumber P:punctuation Pc:connectorpunctuation Pd:dashpunctuation Pe:closepunctuation ' +
  'Pf:finalpunctuation Pi:initialpunctuation Po:otherpunctuation Ps:openpunctuation S:symbol Sc:currencysymbol Sk:modifiersymbol ' +
  'Sm:mathsymbol So:othersymbol Z:separator Zl:lineseparator Zp:paragraphseparator Zs:spaceseparator M:combiningmark';

const binaryProperties =
  'Alphabetic Uppercase Lowercase White_Space Emoji Emoji_Presentation Emoji_Modifier Emoji_Modifier_Base Emoji_Component ' +
  'Extended_Pictographic Ideographic Hex_Digit ASCII_Hex_Digit Dash Diacritic Extender ID_Start ID_Continue XID_Start XID_Continue ' +
  'Math Quotation_Mark Variation_Selector Join_Control Unified_Ideograph Radical Noncharacter_Code_Point Case_Ignorable Cased ' +
  'Default_Ignorable_Code_Point Changes_When_Lowercased Changes_When_Uppercased Changes_When_Titlecased Changes_When_Casefolded ' +
  'Changes_When_Casemapped Grapheme_Base Grapheme_Extend Pattern_White_Space Pattern_Syntax Regional_Indicator Sentence_Terminal ' +
  'Terminal_Punctuation Soft_Dotted Logical_Order_Exception Deprecated Bidi_Control IDS_Binary_Operator IDS_Trinary_Operator';

/** Scripts by their long names; the four-letter codes are found by trying them. */
export const SCRIPT_NAMES: readonly string[] = (
  'Common Latin Han Hiragana Katakana Cyrillic Arabic Hangul Greek Hebrew Devanagari Thai Inherited Adlam Ahom ' +
  'Anatolian_Hieroglyphs Armenian ' +
  'Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian ' +
  'Caucasian_Albanian Chakma Cham Cherokee Chorasmian Coptic Cuneiform Cypriot Cypro_Minoan Deseret Dives_Akuru Dogra Duployan ' +
  'Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Gujarati Gunjala_Gondi Gurmukhi Gurung_Khema ' +
  'Hanifi_Rohingya Hanunoo Hatran Imperial_Aramaic Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Kawi Kayah_Li ' +
  'Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai Lao Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian ' +
  'Mahajani Makasar ' +
  'Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao ' +
  'Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki ' +
  'Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya ' +
  'Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra ' +
  'Sharada Shavian ' +
  'Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham ' +
  'Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi Wancho ' +
  'Warang_Citi Yezidi Yi Zanabazar_Square'
).split(' ');

/** POSIX brackets as Oniguruma fills them for Unicode. */
const posixPatterns: Readonly<Record<string, string>> = {
  alnum: '[\\p{Alphabetic}\\p{Nd}]',
  alpha: '\\p{Alphabetic}',
  blank: '[\\p{Zs}\\t]',
  cntrl: '\\p{Cc}',
  digit: '\\p{Nd}',
  graph: '[^\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}]',
  lower: '\\p{Lowercase}',
  print: '[\\p{Zs}]|[^\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}]',
  punct: '[\\p{P}\\p{S}]',
  space: '\\p{White_Space}',
  upper: '\\p{Uppercase}',
  xdigit: '[0-9A-Fa-f]',
  word: '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]',
  ascii: '[\\0-\\x7f]',
};

/** Lowercase that Unicode 17 made a letter without case. */
const letterOfOldCase = 0x295;

function setOf(pattern: string): CharSet {
  const test = new RegExp(`^(?:${pattern})$`, 'u');
  const holdsUnassigned = test.test('\u{e0080}');
  const isLower = pattern === '\\p{Ll}' || pattern === '\\p{Lowercase}';
  return createCharSet((codePoint) => {
    if (isAssignedIn17(codePoint)) return holdsUnassigned;
    if (codePoint === letterOfOldCase && (isLower || pattern === '\\p{Lo}')) return isLower;
    return test.test(String.fromCodePoint(codePoint));
  });
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[\s_-]/g, '');
}

/** `[:name:]`, or undefined for an unknown name. */
export function posixClass(name: string): CharSet | undefined {
  const pattern = Object.hasOwn(posixPatterns, name) ? posixPatterns[name] : undefined;
  return pattern === undefined ? undefined : setOf(pattern);
}

/** `\p{name}`, or undefined for an unknown name. */
export function propertyClass(name: string): CharSet | undefined {
  const plain = plainName(name);
  if (plain === 'any') return createCharSet(() => true);
  if (plain === 'assigned') return setOf('\\P{Cn}');
  if (plain === 'punct') return setOf('\\p{P}');
  const category = generalCategories.split(' ').find((entry) => entry.split(':').some((each) => each.toLowerCase() === plain));
  if (category !== undefined) return setOf(`\\p{${category.split(':')[0]!}}`);
  const binary = binaryProperties.split(' ').find((each) => plainName(each) === plain);
  if (binary !== undefined) return setOf(`\\p{${binary}}`);
  return posixClass(plain) ?? scriptClass(plain);
}

function scriptClass(plain: string): CharSet | undefined {
  const long = SCRIPT_NAMES.find((each) => plainName(each) === plain);
  const name = long ?? (/^[a-z]{4}$/.test(plain) ? plain[0]!.toUpperCase() + plain.slice(1) : undefined);
  if (name === undefined) return undefined;
  try {
    return setOf(`\\p{Script=${name}}`);
  } catch {
    return undefined; // no such code, or a script newer than this engine
  }
}

/** What `\w` has outside a bracket; Oniguruma counts these six numbers of Latin-1 there only. */
export function wordClass(): CharSet {
  return setOf('[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe]');
}
