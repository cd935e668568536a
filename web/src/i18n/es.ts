import type { Catalogue } from "./i18n";
import en from "./en";

const words: Catalogue = en;
export default words;
