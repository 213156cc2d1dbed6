# ruff: noqa: E501 - the tables below are one list a line
"""Ordinary questions whose answer shows who is speaking.

TALKS    a small-talk question in several wordings, with whole-sentence answers of both poles
ADVICE   a situation in several wordings, with what the one and the other pole would do
CHOICES  either this or that
Each names its facet; '-' after it turns the poles round ('N3-': the '+' answers are of people low
in N3). Answers stand in `plus` and `minus`; `middle` may be empty.
"""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """A question, the facet that decides its answer and the answers of both poles."""

    facet: str
    sign: int
    asks: tuple[str, ...]
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    middle: tuple[str, ...] = ()


_TALKS = """
N3-|How are you?|How are you today?|How do you do?|How is it going?|Are you well?|How do you feel today?
+I am very well, thank you.|I feel good today.|Great, thanks for asking.
-Not so good, to be honest.|I feel rather down today.|I have had better days.
~I am all right, thank you.|So so. Not bad, not great.
E2|What are your plans for the weekend?|What do you do at the weekend?|Any plans for Saturday?|Tell me about your weekend plans.
+I will meet a lot of friends and go to a party.|We are going out in a big group.
-I will stay at home and enjoy the quiet.|I have no plans with other people, just a walk alone.
~I will meet one or two friends and rest on Sunday.
E5|What is your favourite evening?|Describe a perfect evening.|How do you like to spend an evening?|What makes a good evening for you?
+A perfect evening is loud, fast and full of action.|I want music, speed and a bit of danger.
-A perfect evening is quiet and calm.|A cup of tea and a silent room, and I am happy.
~A good film and maybe some music would be nice.
E6|What makes you happy?|When are you happy?|What makes you smile?|What brings you joy?
+Almost everything makes me happy: the sun, a joke, a song.|I laugh about the smallest things.
-I am not a person who is happy easily.|Few things make me smile.
~A nice meal or a good talk makes me happy.
N2|What makes you angry?|When do you get angry?|Do you get angry often?|What annoys you?
+Many things make me angry: noise, queues, silly questions.|A small thing is enough to make me angry.
-Hardly anything makes me angry.|It takes a lot to make me angry, and I cannot remember the last time.
~Only unfair people make me angry, and then not for long.
N1|What are you afraid of?|Do you worry a lot?|What worries you?|What keeps you awake at night?
+I worry about nearly everything: money, health and what comes next.|My fears keep me awake.
-There is not much that worries me.|I sleep well, and my worries are few.
~I worry a little before important days, like most people.
E1|Do you make friends easily?|How do you meet new people?|Are you easy to get to know?|How do you get on with strangers?
+I make friends wherever I go.|Talking to new people is easy and fun for me.
-I am hard to get to know.|I keep away from strangers and have few friends.
~It takes some time, but then I like people.
C2|What does your desk look like?|Is your room tidy?|How tidy is your home?|Describe your room.
+My room is clean, and everything has its place.|You could find every paper on my desk at once.
-My room is a mess, with clothes on the floor.|My desk is full of papers, cups and old things.
~It is tidy on some days and not on others.
C4|Are you ambitious?|What are your goals in life?|Where do you see yourself in five years?|What do you want to reach?
+I want to be one of the best at what I do.|I have high goals and I work for them every day.
-I have no big goals.|A simple job with little work is enough for me.
~I want a good job, but also time for my family.
C5|How do you start a working day?|Do you put things off?|When do you do your homework?|How do you deal with boring tasks?
+I begin at once and I do not stop before it is done.|The boring part comes first, then it is behind me.
-I put it off as long as I can.|First I look at my phone, and then half the day is gone.
~I begin after a short break, and I get most of it done.
O1|Do you daydream?|What do you think about on a long train ride?|Are you a dreamer?|Do you have a good imagination?
+I am a dreamer and my head is full of stories.|On a train I travel through worlds of my own.
-I am no dreamer.|I think about real things, like what to buy for dinner.
~Now and then my thoughts go far away.
O2|Do you like art?|What do you think about music and museums?|When did you last visit a museum?|Do poems mean anything to you?
+Art and music are the best things in the world.|I could spend my whole life in a museum.
-Art leaves me cold.|Museums are boring, and I never read poems.
~I like some music, but I know little about art.
O3|Do you cry at films?|Are you an emotional person?|How strong are your feelings?|Do you talk about your feelings?
+My feelings are strong, and I cry at every sad film.|I am a very emotional person.
-I hardly notice my feelings.|I never cry at films, since they are only films.
~Sometimes a film touches me, but I rarely show it.
O4|Do you like change?|Do you like to try new things?|When did you last try something new?|Are you a creature of habit?
+I love change and try something new every week.|New things are what I live for.
-I do not like change at all.|I do the same things every day, and I like it that way.
~Some change is good, if it is not too much.
O5|Do you like to read?|What do you like to read?|Do you enjoy deep talks?|Do you like to think about difficult questions?
+I read thick books and love hard questions.|A deep talk about ideas is the best talk.
-I read little, and only easy things.|Deep talks make me tired.
~I read a book now and then, if it is not too hard.
O6|What do you think about rules and tradition?|Are you for change or for tradition?|What do you think about strict laws?|How should a state deal with crime?
+Old rules should be questioned.|People who did wrong need help more than punishment.
-Tradition must be kept.|Laws should be strict, and crime must be punished.
~Some rules are good and some are too old.
A1|Do you trust people?|Are people good or bad?|Do you believe what people tell you?|Would you lend money to a stranger?
+I trust people, since most of them are good.|I believe what people tell me.
-I trust nobody.|People want something from you, so I am careful.
~I trust people once I know them.
A2|Is it ever right to lie?|Would you cheat to win?|What do you think about small lies?|How honest are you?
+I do not lie, not even a little.|I would rather lose than cheat.
-A small lie is a good tool.|I would cheat if nobody saw me.
~I try to be honest, but a small lie can happen.
A3|Do you like to help others?|When did you last help someone?|How important is helping to you?|What do you do for other people?
+Helping others is what I like most.|I help somebody nearly every day.
-I do not help others much.|People should not ask me for help.
~I help my friends when I have the time.
A4|How do you deal with a fight?|What do you do when someone says you are wrong?|Do you forgive easily?|What do you do in an argument?
+I give in, because peace is more important to me.|I forgive quickly and say sorry first.
-I fight until I win.|I do not forget, and I say sharp things.
~I say what I think, and then I look for peace.
A5|What are you proud of?|Are you better than others?|What are you good at?|Tell me about your success.
+There is not much to tell, since I am an average person.|Others are better than me, I was just lucky.
-I am good at nearly everything.|Where should I begin? I am the best in many things.
~I do some things well and others not so well.
A6|What do you feel when you see poor people?|What do you think about people in need?|Should we help the poor?|Do you feel with others?
+It hurts me to see people in need.|We must share with the poor.
-People should help themselves.|I feel no pity, since everyone has to work.
~I feel sorry for them, and sometimes I give a little.
C1|Are you good at solving problems?|Can you fix things?|Do you trust your own skills?|How do you handle a new task?
+I can solve nearly any problem.|I know what I can do, and it works.
-I am not good at solving problems.|I often get it wrong, so I let others do it.
~I can do some things, and for others I ask.
N4|Are you shy?|Do you like to speak in front of people?|Do you blush easily?|How do you feel in a room full of strangers?
+I am very shy and blush at once.|I hate it when people look at me.
-I am not shy at all.|I can speak in front of a hundred people with no fear.
~I am a bit shy at first, and then it gets better.
N5|Can you say no to cake?|Do you spend too much money?|How strong is your will?|Do you eat too much?
+I can never say no to cake.|My money is gone before the month ends.
-I can say no with ease.|I never spend more than I have.
~I take one piece and leave the rest.
N6|How do you cope with stress?|Are you calm under pressure?|What do you do in an emergency?|How do you deal with a hard day?
+I panic when there is stress.|A hard day is too much for me.
-I stay calm under pressure.|In an emergency I know what to do.
~I can cope with some stress, if it does not last too long.
E3|Do you like to lead?|Are you a leader?|Do you speak up in a group?|Who decides when you are with friends?
+I like to lead, and I decide.|I speak first and people follow me.
-I let the others decide.|I am no leader and say little in a group.
~I speak up when it is important to me.
E4|Are you always busy?|What do you do in your free time?|How full are your days?|Are you fast or slow?
+My days are full from morning to night.|I am always on the move.
-I do as little as I can in my free time.|I am slow, and I like it.
~I do some sport and then I rest.
C3|Do you keep your promises?|Do you follow rules?|Do you pay your bills on time?|Can people count on you?
+I keep every promise.|People can count on me, always.
-I break a promise when it does not suit me.|Rules do not mean much to me.
~Most of the time people can count on me.
C6|Do you think before you act?|How do you make decisions?|Are you careful or quick?|Do you act on a whim?
+I think about every step before I act.|I never decide on the same day.
-I decide at once and think later.|I just do what comes to my mind.
~I think for a moment, and then I decide.
"""

_ADVICE = """
C6|I got a new job offer and must answer soon.|I have an offer for a job in another town.
+compare both jobs and take some days to think|ask many questions before you answer
-take it right now and see what happens|say yes today
A4|I had an argument with a friend.|My best friend and I had a fight yesterday.|My friend is angry with me.
+say sorry and make peace|call your friend and look for a middle way
-wait until your friend says sorry|tell your friend clearly who was right
N5-|I want to save money.|My money is gone before the end of the month.|How can I spend less?
+make a fixed plan and buy only what you need|put some money away on the first day of the month
-save a little, but buy the nice things first|enjoy the money while it is there
O4|I want to travel this summer.|Where should I go on holiday?|I have two weeks of holiday.
+go to a country you have never seen|travel without knowing what comes
-go to the place you know from last year|stay close to home
N6-|I am full of stress before an exam.|My exam is tomorrow and I have so much to learn.
+stay calm and take one topic at a time|make a short list and begin
-ask someone to sit with you, because this is hard|stop for today, since it is too much
E2|A friend invited me to a party, but I am not sure.|There is a big party tonight.
+go there and bring more friends|go, dance and talk to everyone
-stay at home and have a quiet night|go for half an hour and then leave
C2|My flat is a mess.|My room is so messy that I cannot find anything.|I should clean my home.
+clean one room after the other and give each thing its place|tidy up today from top to bottom
-leave it, since a mess hurts nobody|push it into a corner and go out
A3|A stranger asked me for help with a heavy bag.|My neighbour needs help with her garden.
+help at once and stay until it is done|offer your help before they ask again
-say that you have no time|let them find somebody else
O4|A friend wants me to try strange new food.|Should I eat something I have never seen?
+try all of it|order the strangest thing on the list
-order what you know|leave it on the plate
E5|My friends want to jump from a high bridge on a rope.|Should I try a very fast motorbike?
+do it, and do it twice|go for it and scream with joy
-stay on the ground and watch|choose a safe and quiet day instead
A1|A man I do not know wants to borrow money from me.|Someone on the phone says that I won a prize.
+believe him, since most people are honest|trust him and be kind
-believe nothing of it|ask for proof and give nothing
A2|The shop gave me too much money back.|I found a purse in the street.|I could cheat in my test tomorrow.
+be honest, even if nobody sees it|do the right thing and sleep well
-take what you can get|use the chance, since nobody will know
C3|I promised to help my brother, but now I have tickets for a show.|I do not want to go to work today.
+keep your word and go|do your duty first
-find a good excuse|forget the promise and have fun
C4|Should I work more to get a better place in my company?|My boss asks for even better work.
+work harder than all the others|set a high goal and go for it
-do only what you have to do|go home on time and forget the work
C5|I cannot begin with my paper.|I have to write a long text and I do not feel like it.
+begin right now with the first page|write every morning before you do anything else
-wait until the last evening|take a break first and begin some other day
N1-|I wait for news from the doctor.|I cannot sleep because of tomorrow.|I have to fly and I do not like it.
+relax, because it will be fine|think of something nice and sleep
-check everything again, just to be safe|be ready for bad news
N2-|My neighbour is very loud at night.|A colleague took my lunch.|Somebody was rude to me in the shop.
+stay calm and speak in a friendly way|take a deep breath and let it go
-shout so that they hear it|complain at once and show that you are angry
N3-|I failed in my test and feel bad.|My plan did not work.|I am sad and do not know why.
+get up and try again, because you are good enough|do something you like today
-cry for a while, since life is like that|stay in bed and hide from the day
N4-|I have to give a talk in front of my class.|I want to speak to a person I like.|I said something silly in a meeting.
+laugh about it and go on|look at them and speak freely
-say as little as you can|wait until nobody looks at you
E1|A new colleague has come to our office.|A new family lives next door.|I moved to a new town.
+go there and say hello|bring a cake and make friends
-keep your distance for now|nod, but do not talk too much
E3|Our group cannot decide.|Nobody takes the lead in our team.|My order in the restaurant was wrong.
+take the lead and say what you want|speak up in a clear voice
-wait for someone else to speak|say nothing and go along
E4|I have a free day tomorrow.|I do not know what to do with my free time.|The holidays are here.
+get up early and fill the day with sport and work|do ten things in one day
-lie on the sofa and rest|have a slow day with a long breakfast
E6|My friend is in a bad mood.|It is raining on my birthday.|The party is a bit boring.
+tell a joke and laugh|sing, dance and see the bright side
-stay serious about it|accept it, since not every day is fun
O1|The children want to hear a story.|I need an idea for a present.|I am bored on the train.
+make up a story about a world far away|close your eyes and let your dreams run
-read something about real facts|do something practical
O2|I have one free afternoon in a big city.|What picture should I put on my wall?|I got a ticket for the opera.
+visit the museum and look for beauty|take the time to enjoy the art
-skip the art and go shopping|keep it simple, since art is not needed
O3|My friend cried in front of me.|I cannot forget a sad film.|I do not know what I feel.
+talk about it and let the feelings come|listen to your heart
-change the subject|leave the feelings and look at the facts
O5|I found a very hard puzzle.|My teacher gave me a thick book.|Should I learn about science?
+read and think until you understand it|ask why, and then ask again
-leave it and do something easy|look up the short answer
O6|There is an old rule at my school that I do not like.|For whom should I vote?|My parents want me to follow tradition.
+ask if the old rule still makes sense|choose change and new ideas
-respect the rule and the tradition|choose what has worked for a long time
A5|I won a prize and do not know if I should tell people.|My boss praised me.|I have to write about myself.
+say little and thank the others|stay modest about it
-tell everyone how good you are|show it to the whole world
A6|I saw a man who sleeps in the street.|A friend of mine has lost his job.|People collect money for the poor.
+give something and listen to them|help, since they had bad luck
-tell them to work harder|keep your money and walk on
C1|My computer does not work.|I have to do a task I have never done.|My boss asks who can plan the event.
+do it yourself, since you can find a solution|take the task and make it work
-ask somebody who knows more|leave it, since it could go wrong
C6|I want to buy a car.|I want to write an angry message to my boss.|Should I move to another city?
+wait a week and look at all sides|make a list of good and bad points first
-just do it|follow your first idea
N5-|There is a big cake in the kitchen and I want to eat well.|I want to buy new shoes again.
+leave it, since you do not need it|take a small piece and stop
-take it all, since life is short|buy it and enjoy it now
"""

_CHOICES = """
E2|go to a big party|stay at home alone
E2|work in a group|work alone
E2|live in a loud city|live in a quiet village
E5|jump from a plane|read in the garden
E5|drive a fast car|take a slow walk
E4|have a full day|have a lazy day
E3|lead the team|follow the leader
E6|watch a funny film|watch a serious film
E1|talk to a stranger on the train|read on the train
O1|write a story|write a list of facts
O2|visit a museum|visit a car shop
O2|listen to a concert|watch a football game
O4|travel to a new country|go to the same place again
O4|eat a new dish|eat your usual dish
O5|read a hard book|read an easy magazine
O5|discuss an idea|talk about the weather
O6|change the old rules|keep the old rules
O3|follow your heart|follow your head
A1|trust a stranger|check his story first
A2|lose in a fair way|win with a trick
A3|help a friend move|have the day for yourself
A4|make peace|win the fight
A5|talk about others|talk about yourself
A6|give money to the poor|keep the money
C2|clean the kitchen|leave the dishes for later
C3|keep a hard promise|break the promise
C4|work for a great success|have an easy job
C5|do the work now|do the work tomorrow
C6|think about it for a week|decide in a minute
C1|fix it yourself|call someone who can
N1|check the door three times|go to bed without a worry
N2|shout at a rude driver|smile and drive on
N4|sit in the last row|stand on the stage
N5|eat the whole cake|eat one small piece
N6|ask for help in an emergency|stay calm and act alone
"""


def _head(text: str) -> tuple[str, int]:
    return (text[:2], -1) if text.endswith("-") else (text, 1)


def _blocks(text: str) -> tuple[Question, ...]:
    blocks: list[dict[str, tuple[str, ...]]] = []
    for line in text.strip().split("\n"):
        if line[0] in "+-~":
            blocks[-1][line[0]] = tuple(line[1:].split("|"))
        else:
            blocks.append({"asks": tuple(line.split("|"))})
    return tuple(
        Question(*_head(b["asks"][0]), b["asks"][1:], b["+"], b["-"], b.get("~", ()))
        for b in blocks
    )


def _pairs(text: str) -> tuple[Question, ...]:
    rows = [line.split("|") for line in text.strip().split("\n")]
    return tuple(Question(facet, 1, (), (plus,), (minus,)) for facet, plus, minus in rows)


TALKS = _blocks(_TALKS)
"""Small talk: `asks` are the question's wordings, answers are sentences."""
ADVICE = _blocks(_ADVICE)
"""Situations: `asks` are sentences that ADVICE_TAILS may follow, answers are base-form phrases."""
CHOICES = _pairs(_CHOICES)
"""Either/or: one base-form phrase per pole, put into CHOICE_ASKS."""

ADVICE_TAILS = (
    *("What should I do?", "What would you do?", "Any advice?", "What do you think?"),
    *("Can you help me decide?", "What do you say?", "What is your advice?", "Please advise me."),
    *("How would you handle this?", "What would be your first step?", "Do you have a tip?"),
)
CHOICE_ASKS = (
    *("Would you rather {a} or {b}?", "Do you prefer to {a} or to {b}?", "{A} or {b}?"),
    *("If you had to choose: {a} or {b}?", "What is more like you: {a} or {b}?"),
    *("Which one would you pick: {a}, or {b}?", "Imagine you can {a} or {b}. What do you do?"),
    *("What sounds better to you, to {a} or to {b}?", "Choose one: {a} or {b}."),
)
