/** Icons of the lucide set, drawn as elements: no markup is parsed. */

import {
  Archive,
  ArchiveRestore,
  ArrowDown,
  ArrowLeft,
  Ban,
  BellOff,
  Camera,
  ChartBarBig,
  Check,
  CheckCheck,
  ChevronDown,
  ChevronRight,
  ChevronUp,
  CircleAlert,
  CircleUser,
  Clock,
  CloudOff,
  Copy,
  Download,
  EllipsisVertical,
  FileText,
  Forward,
  Globe,
  type IconNode,
  Image,
  Info,
  KeyRound,
  Link,
  LogOut,
  MapPin,
  MessageCircle,
  MessageCirclePlus,
  Mic,
  Monitor,
  Palette,
  Paperclip,
  Pause,
  Pencil,
  Pin,
  PinOff,
  Play,
  Plus,
  Reply,
  RotateCw,
  Search,
  SendHorizontal,
  Settings,
  Share2,
  Shield,
  Smile,
  SquareCheck,
  Star,
  StarOff,
  Sticker,
  Timer,
  Trash2,
  User,
  UserPlus,
  Users,
  X,
} from "lucide";
import { h } from "preact";

const ICONS = {
  archive: Archive,
  unarchive: ArchiveRestore,
  down: ArrowDown,
  back: ArrowLeft,
  ban: Ban,
  muted: BellOff,
  camera: Camera,
  poll: ChartBarBig,
  check: Check,
  checks: CheckCheck,
  chevron: ChevronDown,
  next: ChevronRight,
  up: ChevronUp,
  alert: CircleAlert,
  person: CircleUser,
  clock: Clock,
  offline: CloudOff,
  copy: Copy,
  download: Download,
  more: EllipsisVertical,
  file: FileText,
  forward: Forward,
  globe: Globe,
  image: Image,
  info: Info,
  key: KeyRound,
  link: Link,
  leave: LogOut,
  place: MapPin,
  compose: MessageCirclePlus,
  chat: MessageCircle,
  mic: Mic,
  device: Monitor,
  palette: Palette,
  attach: Paperclip,
  pause: Pause,
  edit: Pencil,
  pin: Pin,
  unpin: PinOff,
  play: Play,
  plus: Plus,
  reply: Reply,
  retry: RotateCw,
  search: Search,
  send: SendHorizontal,
  settings: Settings,
  share: Share2,
  shield: Shield,
  smile: Smile,
  select: SquareCheck,
  star: Star,
  unstar: StarOff,
  sticker: Sticker,
  timer: Timer,
  trash: Trash2,
  user: User,
  addUser: UserPlus,
  users: Users,
  close: X,
} satisfies Record<string, IconNode>;

export type IconName = keyof typeof ICONS;

/** Says nothing by itself: what it means is told by the text or label beside it. */
export function Icon({ name, class: extra = "" }: { name: IconName; class?: string }) {
  return (
    <svg
      class={`icon ${extra}`}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {ICONS[name].map(([tag, attributes], i) => h(tag, { key: i, ...attributes }))}
    </svg>
  );
}

export function IconButton(props: {
  icon: IconName;
  label: string;
  onClick: (event: MouseEvent) => void;
  class?: string;
  pressed?: boolean;
  disabled?: boolean;
}) {
  return (
    <button
      type="button"
      class={`icon-button ${props.class ?? ""}`}
      aria-label={props.label}
      title={props.label}
      aria-pressed={props.pressed}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}
