/** The words of the lock, in all languages: most people never need them, so they are not in the catalogues that all load. */

import { fill, type Locale, locale } from "./i18n";

const en = {
  after: "Lock when not used for",
  after_0: "Never",
  after_300000: "5 minutes",
  after_3600000: "1 hour",
  cannot: "This browser can lock only at a secure address (https).",
  change: "Change passphrase",
  changed: "Passphrase changed",
  current: "Current passphrase",
  damaged:
    "Something kept on this device was damaged and is left out. Sign out and in again to have it from the server.",
  differs: "The two passphrases differ.",
  forgot: "Forgot it? Sign out",
  forgotDo: "Sign out and delete",
  forgotText:
    "What is kept on this device is deleted, also what you have not sent yet. Your chats stay on the server: sign in again to have them back.",
  forgotTitle: "Sign out and delete what is on this device?",
  hint: "A passphrase for this device",
  intro:
    "Messages, people and files that are kept on this device are encrypted with your passphrase. Whoever opens the app here is asked for it. Notifications say only that there is something new.",
  lockNow: "Lock now",
  locked: "Tidings is locked",
  lockedText: "Enter your passphrase to open what is kept on this device.",
  least: "At least {n} characters",
  next: "New passphrase",
  offline:
    "What was kept here is deleted, but the server could not be reached: end this session on another device, under Devices.",
  otherTab: "Another tab or window with Tidings does not answer. Close the others, and try again. Nothing was changed.",
  passphrase: "Passphrase",
  remove: "Remove lock",
  removeText: "What is kept on this device is stored unencrypted again.",
  removed: "Lock removed",
  removing: "Decrypting what is kept here …",
  repeat: "Repeat passphrase",
  sealing: "Encrypting what is kept here …",
  isSet: "The lock is set: what is kept on this device is encrypted.",
  set: "Set lock",
  title: "Lock",
  unfinished: "Not everything is encrypted or decrypted yet. It goes on when Tidings is next opened.",
  unlock: "Unlock",
  warning:
    "Nobody can restore a forgotten passphrase. You would have to sign in again on this device. Nothing on the server is lost, but what was not sent yet is.",
  wrong: "That is not the passphrase.",
};

type Key = keyof typeof en;
type Words = Record<Key, string>;

const de: Words = {
  after: "Sperren, wenn nicht benutzt seit",
  after_0: "Nie",
  after_300000: "5 Minuten",
  after_3600000: "1 Stunde",
  cannot: "Dieser Browser kann nur unter einer sicheren Adresse (https) sperren.",
  change: "Passphrase ändern",
  changed: "Passphrase geändert",
  current: "Bisherige Passphrase",
  damaged:
    "Etwas, das auf diesem Gerät liegt, wurde beschädigt und wird ausgelassen. Melde dich ab und wieder an, um es vom Server zu bekommen.",
  differs: "Die beiden Passphrasen sind verschieden.",
  forgot: "Vergessen? Abmelden",
  forgotDo: "Abmelden und löschen",
  forgotText:
    "Was auf diesem Gerät liegt, wird gelöscht, auch was du noch nicht gesendet hast. Deine Chats bleiben auf dem Server: Melde dich wieder an, um sie zurückzubekommen.",
  forgotTitle: "Abmelden und löschen, was auf diesem Gerät liegt?",
  hint: "Passphrase für dieses Gerät",
  intro:
    "Nachrichten, Personen und Dateien, die auf diesem Gerät liegen, werden mit deiner Passphrase verschlüsselt. Wer die App hier öffnet, wird danach gefragt. Benachrichtigungen sagen nur, dass es Neues gibt.",
  lockNow: "Jetzt sperren",
  locked: "Tidings ist gesperrt",
  lockedText: "Gib deine Passphrase ein, um zu öffnen, was auf diesem Gerät liegt.",
  least: "Mindestens {n} Zeichen",
  next: "Neue Passphrase",
  offline:
    "Was hier lag, ist gelöscht, aber der Server war nicht zu erreichen: Beende diese Sitzung auf einem anderen Gerät, unter „Geräte“.",
  otherTab:
    "Ein anderer Tab oder ein anderes Fenster mit Tidings antwortet nicht. Schließe die anderen und versuche es noch einmal. Es wurde nichts geändert.",
  passphrase: "Passphrase",
  remove: "Sperre entfernen",
  removeText: "Was auf diesem Gerät liegt, wird wieder unverschlüsselt gespeichert.",
  removed: "Sperre entfernt",
  removing: "Was hier liegt, wird entschlüsselt …",
  repeat: "Passphrase wiederholen",
  sealing: "Was hier liegt, wird verschlüsselt …",
  isSet: "Die Sperre ist eingerichtet: Was auf diesem Gerät liegt, ist verschlüsselt.",
  set: "Sperre einrichten",
  title: "Sperre",
  unfinished: "Noch ist nicht alles ver- oder entschlüsselt. Es geht weiter, wenn Tidings wieder geöffnet wird.",
  unlock: "Entsperren",
  warning:
    "Eine vergessene Passphrase kann niemand wiederherstellen. Du müsstest dich auf diesem Gerät neu anmelden. Auf dem Server geht nichts verloren, wohl aber, was noch nicht gesendet ist.",
  wrong: "Das ist nicht die Passphrase.",
};

const es: Words = {
  after: "Bloquear tras no usarse durante",
  after_0: "Nunca",
  after_300000: "5 minutos",
  after_3600000: "1 hora",
  cannot: "Este navegador solo puede bloquear en una dirección segura (https).",
  change: "Cambiar la frase de contraseña",
  changed: "Frase de contraseña cambiada",
  current: "Frase de contraseña actual",
  damaged:
    "Algo guardado en este dispositivo se dañó y se omite. Cierra sesión y vuelve a iniciarla para recuperarlo del servidor.",
  differs: "Las dos frases no coinciden.",
  forgot: "¿La olvidaste? Cierra sesión",
  forgotDo: "Cerrar sesión y eliminar",
  forgotText:
    "Se elimina lo guardado en este dispositivo, también lo que aún no se ha enviado. Tus chats siguen en el servidor: vuelve a iniciar sesión para recuperarlos.",
  forgotTitle: "¿Cerrar sesión y eliminar lo que hay en este dispositivo?",
  hint: "Contraseña para este dispositivo",
  intro:
    "Los mensajes, personas y archivos guardados en este dispositivo se cifran con tu frase de contraseña. Se le pedirá a quien abra la aplicación aquí. Las notificaciones solo dicen que hay algo nuevo.",
  lockNow: "Bloquear ahora",
  locked: "Tidings está bloqueado",
  lockedText: "Introduce tu frase de contraseña para abrir lo guardado en este dispositivo.",
  least: "Al menos {n} caracteres",
  next: "Nueva frase de contraseña",
  offline:
    "Lo guardado aquí se ha eliminado, pero no se pudo contactar con el servidor: cierra esta sesión desde otro dispositivo, en Dispositivos.",
  otherTab:
    "Otra pestaña o ventana con Tidings no responde. Cierra las demás e inténtalo de nuevo. No se ha cambiado nada.",
  passphrase: "Frase de contraseña",
  remove: "Quitar el bloqueo",
  removeText: "Lo guardado en este dispositivo vuelve a quedar sin cifrar.",
  removed: "Bloqueo quitado",
  removing: "Descifrando lo guardado aquí …",
  repeat: "Repite la frase de contraseña",
  sealing: "Cifrando lo guardado aquí …",
  isSet: "El bloqueo está activado: lo guardado en este dispositivo está cifrado.",
  set: "Activar el bloqueo",
  title: "Bloqueo",
  unfinished: "Aún no está todo cifrado o descifrado. Continúa la próxima vez que se abra Tidings.",
  unlock: "Desbloquear",
  warning:
    "Nadie puede recuperar una frase olvidada. Tendrías que volver a iniciar sesión en este dispositivo. En el servidor no se pierde nada, pero sí lo que aún no se haya enviado.",
  wrong: "Esa no es la frase de contraseña.",
};

const ar: Words = {
  after: "القفل عند عدم الاستخدام لمدة",
  after_0: "أبدًا",
  after_300000: "5 دقائق",
  after_3600000: "ساعة واحدة",
  cannot: "لا يستطيع هذا المتصفح القفل إلا على عنوان آمن (https).",
  change: "تغيير عبارة المرور",
  changed: "تم تغيير عبارة المرور",
  current: "عبارة المرور الحالية",
  damaged: "تلف شيء محفوظ على هذا الجهاز فتم تجاوزه. سجّل الخروج ثم الدخول للحصول عليه من الخادم.",
  differs: "العبارتان مختلفتان.",
  forgot: "نسيتها؟ سجّل الخروج",
  forgotDo: "تسجيل الخروج والحذف",
  forgotText:
    "يُحذف ما هو محفوظ على هذا الجهاز، وكذلك ما لم يُرسل بعد. تبقى محادثاتك على الخادم: سجّل الدخول مجددًا لاستعادتها.",
  forgotTitle: "هل تريد تسجيل الخروج وحذف ما على هذا الجهاز؟",
  hint: "عبارة مرور لهذا الجهاز",
  intro:
    "تُشفَّر الرسائل والأشخاص والملفات المحفوظة على هذا الجهاز بعبارة مرورك، وتُطلب ممن يفتح التطبيق هنا. ولا تقول الإشعارات إلا أن هناك جديدًا.",
  lockNow: "القفل الآن",
  locked: "Tidings مقفل",
  lockedText: "أدخل عبارة مرورك لفتح ما هو محفوظ على هذا الجهاز.",
  least: "{n} أحرف على الأقل",
  next: "عبارة مرور جديدة",
  offline: "حُذف ما كان محفوظًا هنا، لكن تعذّر الوصول إلى الخادم: أنهِ هذه الجلسة من جهاز آخر، ضمن الأجهزة.",
  otherTab: "لا تستجيب علامة تبويب أو نافذة أخرى مفتوح فيها Tidings. أغلق البقية ثم أعد المحاولة. لم يتغيّر شيء.",
  passphrase: "عبارة المرور",
  remove: "إزالة القفل",
  removeText: "يُحفظ ما على هذا الجهاز بلا تشفير من جديد.",
  removed: "أُزيل القفل",
  removing: "جارٍ فك تشفير ما هو محفوظ هنا …",
  repeat: "كرّر عبارة المرور",
  sealing: "جارٍ تشفير ما هو محفوظ هنا …",
  isSet: "القفل مفعّل: ما هو محفوظ على هذا الجهاز مشفّر.",
  set: "تعيين القفل",
  title: "القفل",
  unfinished: "لم يكتمل التشفير أو فك التشفير بعد، وسيستمر عند فتح Tidings مجددًا.",
  unlock: "فتح القفل",
  warning:
    "لا أحد يستطيع استعادة عبارة مرور منسية. سيكون عليك تسجيل الدخول من جديد على هذا الجهاز. لا يضيع شيء على الخادم، لكن يضيع ما لم يُرسل بعد.",
  wrong: "ليست هذه عبارة المرور.",
};

const WORDS: Record<Locale, Words> = { en, de, es, ar };

export const tl = (key: Key, holes: Record<string, string | number> = {}) => fill(WORDS[locale.value][key], holes);
