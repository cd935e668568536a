"""Who lives in the demo, and what they say. The first person is who a visitor becomes."""

from typing import Final, NamedTuple


class Person(NamedTuple):
    name: str
    phone: str
    about: str


def _person(number: int, name: str, about: str) -> Person:
    return Person(name, f"+49151555{number:05d}", about)


PEOPLE: Final = (
    _person(1, "Mira Sommer", "Mostly outdoors"),
    _person(2, "Jonas Weber", "Trains are better than planes"),
    _person(3, "Aylin Kaya", "Architecture, espresso, both at once"),
    _person(4, "Tom Fischer", "On call this week"),
    _person(5, "Leïla Haddad", "مرحبا"),
    _person(6, "Piotr Nowak", "Climbing, mostly falling"),
    _person(7, "Hana Sato", "読書中"),
    _person(8, "Grandma Ilse", "Please call, I do not hear the phone"),
    _person(9, "Ben Sommer", "Away until Monday"),
    _person(10, "Carla Ruiz", "¡Vamos!"),
    _person(11, "Noah Stein", "Hey there! I am using Tidings"),
    _person(12, "Dr. Weiss Practice", "Mon to Fri, 8 to 17"),
)

# A line: who says it (index), what. `photo:N|caption` is a photo, `poll:question|option|option` a poll,
# `react:EMOJI` a reaction to the line before, `reply:text` answers the line before the last.
Line = tuple[int, str]

DIRECT: Final[dict[int, list[Line]]] = {
    1: [
        (1, "Are you on the 8:14 tomorrow?"),
        (0, "If I wake up in time, yes 😅"),
        (1, "I will save you a seat on the left. Best view after the tunnel."),
        (0, "You and your seats"),
        (0, "But thank you"),
        (1, "photo:3|Proof. Taken last week from exactly that seat."),
        (0, "react:😍"),
        (0, "Fine. You win. 8:14."),
        (1, "Coffee is on you then"),
    ],
    2: [
        (2, "The model of the library arrived!"),
        (2, "photo:5|The roof is still missing"),
        (0, "react:👏"),
        (0, "It looks so light. Is that real wood?"),
        (2, "reply:Cherry. The real one will be larch."),
        (0, "When do they start building?"),
        (2, "March, if the city does not change its mind a fourth time"),
    ],
    3: [
        (3, "Pager went off at 3 again"),
        (0, "Ouch. The same thing?"),
        (3, "A disk. It is always a disk."),
        (0, "And when it is not, it is DNS"),
        (3, "react:😂"),
        (3, "Going back to bed, lunch at 1?"),
        (0, "At 1 it is"),
    ],
    4: [
        (4, "صباح الخير! هل وصلتِ إلى البيت؟"),
        (0, "Yes! Got in at midnight. The music was wonderful"),
        (4, "الحمد لله. سأرسل لك الصور لاحقاً"),
        (4, "photo:7|من الليلة الماضية"),
        (0, "react:❤️"),
    ],
    5: [
        (5, "Hall or rock on Saturday?"),
        (0, "Rock, if it stays dry"),
        (5, "60 % says my app, 20 % says my knee"),
        (0, "I trust the knee"),
    ],
    6: [
        (6, "今日は本を読み終えました。素晴らしかった！"),
        (0, "Which one?"),
        (6, "The one with the lighthouse. I will lend it to you."),
    ],
    7: [
        (7, "Mira dear, how do I make the letters bigger?"),
        (0, "Settings, then Text size, Grandma 💛"),
        (7, "I FOUND IT"),
        (0, "react:🎉"),
        (7, "Now it is very big. Good. Come for cake on Sunday. There is plum."),
        (0, "I will be there at three"),
    ],
    8: [
        (8, "Can you water the tomatoes?"),
        (0, "Did it this morning. Two are ripe."),
        (8, "Eat them!"),
        (0, "photo:2|Done"),
    ],
    11: [
        (11, "Your appointment: Thursday, 10:20. Please bring your card."),
        (0, "Thank you, I will be there."),
    ],
}

GROUPS: Final[list[tuple[str, list[int], list[Line]]]] = [
    (
        "Weekend hike 🏔",
        [0, 1, 2, 5, 9],
        [
            (0, "Who is in for Sunday? The forecast is perfect"),
            (1, "Me! I looked up trains: 7:32 or 8:02"),
            (5, "8:02, please have mercy"),
            (9, "¡Sí! I bring tortilla"),
            (2, "react:😋"),
            (2, "I am in, back by six though"),
            (0, "photo:1|The ridge, two weeks ago"),
            (9, "react:😍"),
            (5, "That is the one with the chain?"),
            (0, "reply:Only three metres of it. You climb for a living, Piotr"),
            (5, "I fall for a living"),
            (1, "react:😂"),
            (0, "poll:Which way up?|Over the ridge|Along the lake|Cable car, no shame"),
            (0, "vote:0"),
            (1, "vote:0"),
            (2, "vote:1"),
            (9, "vote:0"),
            (5, "vote:2"),
            (1, "Ridge it is. Meet at 7:50 at platform 4"),
            (9, "I will be the one with the huge bag"),
        ],
    ),
    (
        "Book club",
        [6, 0, 2, 10, 3],
        [
            (6, "Next month: a short one this time, I promise"),
            (10, "The last short one had 612 pages"),
            (6, "They were small pages"),
            (2, "react:😂"),
            (3, "I read it at night between two alarms. Ten out of ten."),
            (0, "Tuesday the 8th, at mine? I have chairs now"),
            (2, "Real chairs?"),
            (0, "photo:6|Real chairs."),
            (10, "react:👏"),
            (6, "Then Tuesday. I bring mochi."),
        ],
    ),
    (
        "Family",
        [7, 0, 8],
        [
            (7, "Hello everyone this is Grandma in the group"),
            (8, "Hello Grandma in the group!"),
            (0, "react:❤️"),
            (7, "Who took my big cake tin"),
            (8, "…"),
            (0, "Ben."),
            (8, "I was going to bring it back on Sunday!"),
            (7, "With a cake in it I hope"),
            (0, "photo:4|Evidence found in his kitchen"),
            (7, "react:😮"),
        ],
    ),
    (
        "Lunch, third floor",
        [3, 0, 10, 1, 2],
        [
            (3, "Soup place or the new noodle bar?"),
            (10, "Noodles"),
            (2, "Noodles"),
            (1, "Soup, but I yield"),
            (0, "Noodles at 12:30"),
            (3, "The queue is out of the door, go at 12:10"),
            (10, "react:👍"),
            (0, "On my way"),
        ],
    ),
]
