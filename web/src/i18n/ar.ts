import en from "./en";
import type { Catalogue } from "./i18n";

const words: Catalogue = en;
export default words;
