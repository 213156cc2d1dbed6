# ruff: noqa: E501 - the tables below are one phrase list a line
"""What people high and low in each of the 30 facets do, think and feel: phrases for the grammar.

Per facet and pole ('+' high, '-' low), separated by '|':
  h  habits      base form, after 'I' or 'I often'        worry about small things
  a  actions     base form, after 'I' or 'I would'        check everything twice
  t  thoughts    a clause, after 'I think that'           something could go wrong
  f  feelings    adjectives, after 'I feel'               nervous and tense
and per facet, once:  s  scenes: one sentence each in which the facet shows.
"""

from __future__ import annotations

from typing import NamedTuple


class Pole(NamedTuple):
    """The phrases of one end of a facet."""

    habits: tuple[str, ...]
    actions: tuple[str, ...]
    thoughts: tuple[str, ...]
    feelings: tuple[str, ...]


class FacetPhrases(NamedTuple):
    """A facet's scenes and its two ends."""

    scenes: tuple[str, ...]
    high: Pole
    low: Pole


_TEXT = """
N1
s: I have an important meeting tomorrow.|My flight leaves early in the morning.|A letter from the bank has come.|My friend has not called back all day.
+h: worry about small things|think about what could go wrong|get tense before big days|find it hard to relax
+a: check everything twice|ask a friend if all will be well|stay awake and go over my plans|prepare for the worst
+t: something could go wrong|I must have forgotten something|this will end badly|I should be ready for trouble
+f: nervous and tense|worried|afraid of what may come|restless
-h: stay relaxed|take things as they come|sleep well before big days|let worries go
-a: make some tea and relax|go to bed as usual|wait and see what happens|leave things as they are
-t: it will be fine|there is nothing to worry about|problems can be solved when they come|things work out in the end
-f: calm and relaxed|at ease|safe|free of worry
N2
s: Someone cuts in front of me in the queue.|My neighbour plays loud music at night.|A colleague blames me for his own mistake.|The train is late again.
+h: get angry about small things|lose my temper|get annoyed with people|complain when things go wrong
+a: say loudly what I think|complain at once|slam the door|argue with the person
+t: this is not fair|people have no respect|I should not have to put up with this|somebody must pay for this
+f: angry|annoyed|hot with anger|irritated
-h: keep my cool|stay patient with people|let small things pass|speak in a quiet voice
-a: smile and let it pass|take a deep breath|wait quietly|speak about it in a friendly way
-t: it is not worth a fight|everyone makes mistakes|they did not mean it|it will be over soon
-f: calm|patient|at peace|not angry at all
N3
s: I am alone at home on a rainy Sunday.|I look at old pictures of myself.|A plan of mine has failed.|A friend asks me how my life is going.
+h: feel sad without a reason|doubt my own worth|lose hope when things go wrong|think badly of myself
+a: stay in bed for a long time|cancel my plans|sit alone in the dark|tell no one about it
+t: I am not good enough|things will never get better|my life has no direction|it is my own fault
+f: sad and empty|blue|hopeless|tired of everything
-h: feel good about myself|keep my hope in hard times|like who I am|see my own strong sides
-a: get up and try again|call a friend and laugh about it|make a new plan|do something that I enjoy
-t: I am fine as I am|tomorrow will be better|I have a good life|one bad day does not matter
-f: content|pleased with myself|full of hope|good about my life
N4
s: I walk into a room full of strangers.|I have to give a short talk.|I spill coffee on my shirt at lunch.|Someone asks me to dance.
+h: get embarrassed easily|find it hard to talk to strangers|blush when people look at me|worry about what others think of me
+a: stay close to the door|look at the floor|wait until somebody speaks to me|leave as soon as I can
+t: everyone is looking at me|I will say the wrong thing|they will laugh at me|I do not belong here
+f: shy and awkward|embarrassed|small|unsure of myself
-h: talk to anyone without fear|laugh about my own mistakes|stand up for myself|feel fine when people look at me
-a: walk up and say hello|make a joke about it|look people in the eye|start to talk right away
-t: nobody will mind|I can be myself here|it does not matter what they think|this will be easy
-f: confident|comfortable|sure of myself|not shy at all
N5
s: There is a big cake on the table.|I see a nice jacket that costs too much.|The sale ends today.|Friends offer me one more drink.
+h: eat more than I need|spend money too fast|give in to temptation|do things that I regret later
+a: take one more piece|buy it at once|say yes without a second thought|have far too much of it
+t: I need this now|one more cannot hurt|I can save money next month|I only live once
+f: greedy and excited|unable to stop|weak, but happy for the moment|full of desire
-h: resist temptation with ease|spend only what I have|stop when I have had enough|keep my wishes under control
-a: say no, thank you|put it back and walk away|take only a small piece|keep my money in my pocket
-t: I do not need this|I have had enough|I would regret it later|it is better to wait
-f: in control|content with what I have|strong|not tempted at all
N6
s: Two big problems come up on the same day.|The computer breaks before my work is done.|Someone gets hurt and everybody looks at me.|I have an exam in one hour.
+h: panic under pressure|feel overwhelmed by problems|need help when things get hard|freeze in an emergency
+a: call someone for help|run around and do nothing useful|start to cry|give up for the day
+t: this is too much for me|I cannot deal with this|I do not know what to do|someone has to help me
+f: overwhelmed|helpless|full of panic|close to tears
-h: stay calm under pressure|handle problems one by one|know what to do in an emergency|cope well with stress
-a: solve one thing after the other|make a list and begin|take charge and stay calm|look for a quick solution
-t: I can deal with this|I have seen worse|one step at a time is enough|there is a way out
-f: calm and steady|strong|ready|in control
E1
s: A new colleague sits down next to me.|My neighbour waves at me in the street.|An old friend comes to visit.|I meet new people at a dinner.
+h: make friends easily|enjoy talking to people|warm up quickly to others|smile at strangers
+a: say hello and ask how they are|start a warm talk|invite them for coffee|listen and smile
+t: this could be a new friend|people are nice when you are open|it is good to see a face|I want to know more about them
+f: warm and open|happy to meet them|close to people|friendly
-h: keep my distance from people|need a long time to open up|avoid small talk|say little about myself
-a: nod and look away|keep the talk short|go back to my book|walk on without a word
-t: I do not need new friends|small talk is a waste of time|I would like to be on my own|they do not need to know me
-f: distant|cool|not interested|uneasy with so much talk
E2
s: There is a large party in my street.|My friends plan a big group trip.|I have a free Saturday evening.|The whole office goes out for dinner.
+h: love big parties|look for company|enjoy being part of a group|feel at home in a crowd
+a: join the crowd|invite everyone I know|talk to many different people|stay until the end
+t: the more people, the better|it would be sad to be alone tonight|a full room is a happy room|everyone should come along
+f: alive among people|happy in the group|full of energy|at home in the crowd
-h: prefer to be alone|avoid crowds|look for quiet places|spend evenings by myself
-a: stay at home with a book|leave early|find a quiet corner|go for a walk alone
-t: there are too many people|I need some quiet|one good friend is enough|it is better at home
-f: tired by all the people|happy to be alone|in need of quiet|lost in the crowd
E3
s: Our group has no leader.|Nobody in the meeting says a word.|My team must decide today.|The waiter brings the wrong meal.
+h: take charge in a group|say what I think|lead others|speak first in meetings
+a: stand up and make a decision|tell everyone what to do|say my opinion clearly|take the lead
+t: someone has to lead, and it should be me|my opinion counts|they will follow me|I know how to do this
+f: strong|sure and in charge|ready to lead|powerful
-h: let others lead|keep my opinion to myself|stay in the background|wait for others to decide
-a: say nothing|wait for someone else to speak|do what the others decide|nod and stay quiet
-t: others can do this better|it is not my place to speak|I do not want to push anyone|someone else will decide
-f: happy in the background|quiet|unsure about speaking up|glad when others lead
E4
s: It is Saturday morning and I have no plans.|My list for today has ten points.|I have one free hour.|The holidays begin today.
+h: stay busy all day|do many things at once|move fast|fill my free time with plans
+a: get up early and start at once|do three things at the same time|go for a run and then clean the house|call people and make plans
+t: there is so much to do|time should be used well|I can fit in one more thing|sitting still is boring
+f: full of energy|awake and busy|in a hurry, and I like it|active
-h: take my time|live at a slow pace|rest a lot|like slow and easy days
-a: stay on the sofa|have a long breakfast|do one thing slowly|sit in the sun
-t: there is no hurry|the work can wait|slow is good|I need a rest
-f: slow and easy|lazy in a good way|rested|happy to do nothing
E5
s: A friend offers me a ride on his fast motorbike.|There is a new roller coaster in town.|Someone plans a wild night out.|We stand on a high bridge.
+h: look for adventure|love speed and noise|try wild things|take risks for fun
+a: jump in at once|go faster|say yes to the wild plan|turn up the music
+t: this will be exciting|life is too short to be careful|I want to feel my heart beat|a little danger is fun
+f: excited|thrilled|wild and free|hungry for more
-h: avoid risks|keep away from noise|like calm evenings|choose the safe way
-a: say no and stay on the ground|watch from a safe place|go home early|choose something quiet
-t: this is too dangerous|I do not need a thrill|quiet is better than noise|someone could get hurt
-f: uneasy about the danger|happy to be safe|not tempted by thrills|glad of the quiet
E6
s: It is a sunny morning.|A child tells me a silly joke.|We play games with friends.|I hear my favourite song.
+h: laugh a lot|see the bright side of life|make jokes|enjoy small things
+a: laugh out loud|sing along|make everybody smile|dance in the kitchen
+t: life is wonderful|this is so funny|today is a good day|there is always a reason to smile
+f: full of joy|cheerful|happy and light|in a great mood
-h: keep a straight face|take life seriously|leave jokes to others|stay serious at parties
-a: stay serious|give a short nod|look on without a smile|wait until it is over
-t: this is not funny|life is a serious thing|there is no reason to dance|people laugh too much
-f: serious|not amused|flat|sober
O1
s: I sit at the window and watch the rain.|I have a long train ride.|A child asks me for a story.|I look at the clouds.
+h: daydream a lot|make up stories in my head|get lost in thought|imagine other worlds
+a: invent a story|dream with open eyes|draw a strange animal|picture another life
+t: anything could be possible|the clouds look like a ship|there could be another world|my fantasy is a good place to be
+f: far away in a dream|full of ideas|inspired|lost in my own world
-h: stick to the facts|keep my mind on real things|think of plain things|leave fantasy to others
-a: read the news|check the time|look at the plain facts|do something practical
-t: rain is just rain|dreams do not get the work done|facts matter more than fantasy|I should do something useful
-f: sober and practical|down to earth|a bit bored|awake and clear
O2
s: There is a new museum in my town.|A friend has tickets for a concert.|I walk through a garden in spring.|Someone reads a poem to me.
+h: love art and music|see beauty in small things|visit museums|enjoy poems
+a: stop and look at the flowers|stay for hours with the pictures|listen with closed eyes|buy a ticket at once
+t: this is beautiful|art makes life richer|I could look at this all day|there is beauty everywhere
+f: moved by the beauty|inspired|full of wonder|touched by the music
-h: find art boring|skip museums|see no point in poems|stay away from concerts
-a: walk past it|look at my phone|wait outside|find a reason to leave
-t: this is a waste of time|I do not see what is so special|art costs too much money|useful things are better
-f: bored|not touched at all|cool about it|glad when it is over
O3
s: A film has a sad ending.|A friend tells me about her new love.|I read my old letters.|A song reminds me of last summer.
+h: feel things deeply|cry at films|think about my feelings|notice what others feel
+a: let the tears come|write about my feelings|hug my friend|talk about what I feel
+t: feelings tell us what matters|I want to understand myself|I know just how they feel|this touches my heart
+f: deeply moved|full of emotion|warm and sad at once|touched
-h: keep my feelings flat|keep feelings out of it|pay no mind to my feelings|stay cool when others get emotional
-a: change the subject|stay cool|go on with my day|talk about facts
-t: it is only a film|feelings get in the way|I do not see why people cry|there is no need to get emotional
-f: ordinary|neutral|even and cool|hardly touched
O4
s: A new restaurant serves food that I do not know.|My boss offers me a different task.|My usual way to work is closed.|A friend wants to travel to a far country.
+h: try new things|love change|visit new places|get bored by routine
+a: order the strangest meal|take a new road|say yes to the new task|plan a trip to a new place
+t: new things keep life fresh|I want to see more of the world|change is good|I have never done this, so I should
+f: curious|excited about the change|open to it|hungry for new things
-h: stick with what I know|follow the same routine|dislike change|go to the same places
-a: order what I always order|go back to my usual way|ask to keep my old task|stay where I am
-t: the old way is the best way|change brings trouble|I know what I like|there is no need for something new
-f: uneasy about the change|at home in my routine|safe with old things|not curious
O5
s: A friend asks me what the meaning of life is.|There is a hard puzzle in the paper.|I find a thick book about science.|Two people discuss an idea that I do not know.
+h: enjoy hard questions|read difficult books|think about ideas|like to solve puzzles
+a: ask many questions|read until late at night|work on the puzzle until I solve it|discuss the idea for hours
+t: this is a very interesting idea|there must be a deeper reason|I want to understand how it works|there are two sides to the question
+f: curious and awake|interested|excited by the idea|challenged in a good way
-h: avoid deep discussions|find theory boring|read easy things|leave hard puzzles to others
-a: put the book away|change the topic|turn on the television|ask for a short answer
-t: this is too complicated|such questions lead to nothing|I do not need to know this|simple things are better
-f: bored by the theory|tired of all the thinking|lost|not interested
O6
s: My family talks about politics at dinner.|Someone says that all rules need to change.|The news show a story about crime.|There is a vote in my town.
+h: question old rules|vote for change|believe in second chances|think that right and wrong depend on the case
+a: speak up for change|ask who made this rule|defend the one who made a mistake|vote for the new idea
+t: old rules can be wrong|people need help more than punishment|the world should be more free|there are many ways to live
+f: open to other views|ready for change|hopeful about new ideas|free
-h: respect tradition|want strict laws|hold on to old values|vote for the old order
-a: defend the old rules|ask for stricter laws|stand up for tradition|vote for what has worked
-t: rules are there for a reason|crime must be punished|tradition keeps us together|right is right and wrong is wrong
-f: proud of our tradition|firm in my values|worried about so much change|sure of what is right
A1
s: A stranger asks to use my phone.|A seller says that the car is like new.|A friend promises to pay me back.|Someone I hardly know is very kind to me.
+h: trust people|believe what people say|see the good in others|expect people to be honest
+a: lend the money|take their word for it|hand it over with a smile|say thank you and trust them
+t: most people are good|they mean well|there is no reason to doubt them|people keep their word
+f: safe with people|full of trust|open|sure of their good will
-h: distrust people|look for hidden motives|expect to be cheated|keep an eye on others
-a: ask for proof|say no and walk on|check every word|keep my things close
-t: they want something from me|nobody is kind for free|this must be a trick|you cannot trust people
-f: suspicious|careful and cold|on my guard|full of doubt
A2
s: The shop gives me too much change.|I could get the job with a small lie.|Nobody checks the tickets on the bus.|I find an easy way to cheat in a test.
+h: stay honest|play by the rules|say what I mean|refuse to use people
+a: give the money back|tell the truth|pay as I should|play fair
+t: a lie is a lie|I want to win in a fair way|I could not look in the mirror|honesty is worth more than money
+f: clean and honest|good about doing the right thing|at peace with myself|proud to be fair
-h: use tricks to get ahead|flatter people to get what I want|bend the rules|find ways around the rules
-a: keep the money|tell a small lie|use the trick|flatter the right people
-t: nobody will notice|everyone does it|the clever ones win|rules are for others
-f: clever|pleased with my trick|not guilty at all|cold about it
A3
s: An old man carries heavy bags.|A friend moves to a new flat.|A colleague has too much work.|A neighbour is ill.
+h: love to help|make time for others|think of what others need|make people feel welcome
+a: offer my help|carry the bags|bring some soup|stay until everything is done
+t: helping is the best thing I can do|they would do it for me|it costs me little and means a lot|nobody should be left alone
+f: happy to help|warm inside|glad to be useful|full of care
-h: look after myself first|leave others alone with their problems|mind my own business|leave others to their own work
-a: walk past|say that I have no time|look the other way|do my own things
-t: it is not my problem|they can do it alone|I have enough to do|nobody helps me either
-f: indifferent|cold|annoyed to be asked|not concerned
A4
s: My friend and I want different films.|Somebody says that I am wrong.|Two people at the table start to fight.|My brother took my things without asking.
+h: avoid fights|give in to keep the peace|forgive people quickly|look for a fair middle way
+a: give in with a smile|look for a middle way|say sorry first|calm everyone down
+t: peace is worth more than winning|we can find a way together|a fight helps no one|I can forgive this
+f: peaceful|soft and calm|ready to forgive|unhappy about any fight
-h: enjoy a good fight|hold a grudge|say sharp things|contradict people
-a: fight back|say something sharp|insist on my way|get back at them
-t: I will not give in|they will be sorry|I am right and they are wrong|a good fight clears the air
-f: ready for a fight|hard|full of revenge|eager to win
A5
s: My boss praises me in front of everyone.|I have won a prize.|People at dinner talk about what they do.|Someone asks me what I am good at.
+h: keep quiet about my success|see myself as an average person|give praise to others|stay modest
+a: thank the whole team|talk about the others|say that I was lucky|change the subject
+t: I am not better than anyone|others did as much as I did|there is no need to boast|it was mostly luck
+f: a bit shy about the praise|modest|humble|thankful
-h: boast about what I can do|think highly of myself|like to be the center of attention|tell people about my success
-a: tell everyone how I did it|show my prize|talk about myself all evening|take all the praise
-t: I am the best here|I have earned this|people should look up to me|I am better than most
-f: proud|great|above the others|important
A6
s: A man without a home sits in the street.|The news show people who lost everything.|A poor family asks for help.|A classmate fails the exam again.
+h: feel with people in need|give to the poor|suffer when others suffer|care about the weak
+a: give some money|sit down and listen|ask how I can help|write to those who can help
+t: nobody should live like this|it could have been me|we must take care of each other|they had bad luck
+f: full of pity|sad for them|moved by their pain|soft-hearted
-h: expect people to help themselves|leave the poor to themselves|look away from the needy|think that people get what they earn
-a: walk on|keep my money|tell them to work harder|turn off the news
-t: everyone is responsible for themselves|it is their own fault|weak people should try harder|I cannot save the world
-f: hard|without pity|cool about it|not touched
C1
s: I get a task that I have never done before.|My boss asks who can solve this problem.|Something in the house is broken.|I have to plan a big event.
+h: know how to get things done|find good solutions|trust my own skills|finish what I begin with success
+a: find a solution|take the task|fix it myself|make it work
+t: I can do this|I know what I am doing|I have the skills for it|it will be a success
+f: capable|sure of my skills|confident about the task|ready for it
-h: doubt my skills|misjudge things|feel lost with new tasks|let others find the answer
-a: ask someone else to do it|try and give up|wait for help|hope that nobody asks me
-t: I am not able to do this|I will get it wrong|others know more than I do|I do not understand this
-f: too weak for it|lost|unsure about my skills|of little use
C2
s: My desk is full of papers.|Guests come in one hour.|I cannot find my keys.|I get a new room.
+h: keep things in order|like a clean home|put everything in its place|live by a plan
+a: tidy up at once|sort everything by date|clean the whole room|make a neat list
+t: everything needs its place|a clean room is a clear mind|I cannot rest in a mess|it must be just right
+f: good when all is neat|uneasy about the mess|pleased with the order|clear
-h: leave my things around|live with a mess|forget to put things back|do without a plan
-a: push the papers to one side|leave it as it is|throw it all in a drawer|look for it under the clothes
-t: a mess does not hurt anyone|order is boring|I will find it some day|there are better things to do
-f: fine with the mess|not bothered|at home in my chaos|easy about it
C3
s: I promised to help, but now I am tired.|There is a rule that nobody follows.|A bill lies on the table.|My colleague asks if I did my part.
+h: keep my promises|follow the rules|pay my bills on time|do my duty
+a: do what I promised|pay the bill today|tell the truth about it|follow the rule
+t: a promise is a promise|people count on me|rules are there to be followed|I owe it to them
+f: responsible|good about doing my duty|bound by my word|guilty if I do not do it
-h: break my promises|ignore rules|leave my duties to others|pay my bills late
-a: find an excuse|let somebody else do it|put the bill in a drawer|break the rule
-t: they will not miss me|rules are made to be broken|it does not matter so much|someone else can do it
-f: free of duty|not guilty|careless|easy about my promise
C4
s: My boss offers me a harder job.|I have time to make the work even better.|A big test is coming.|I think about the next five years.
+h: work hard|set high goals|do more than I have to|want to be the best at what I do
+a: work until it is perfect|set a new goal|learn every evening|go straight for the goal
+t: I can do even better|success comes from hard work|good is not good enough|I want to reach the top
+f: driven|hungry for success|proud of my work|full of ambition
-h: do just enough|live without goals|save my strength at work|take work easy
-a: do only what I must|go home early|leave it as it is|choose the easy job
-t: good enough is enough|success is not so important|work is only work|there is no need to try so hard
-f: content with little|not driven|easy about success|without ambition
C5
s: I have a boring task to do.|The dishes are in the sink.|My paper is due next week.|The alarm rings at six.
+h: start tasks right away|finish my work before I rest|get chores done at once|stick to my plans
+a: begin at once|do the dishes right away|write two pages today|get up at the first ring
+t: the sooner I start, the better|first the work, then the fun|I will feel good when it is done|it has to be done anyway
+f: disciplined|ready to work|good when it is done|focused
-h: put things off|waste my time|need a push to get started|leave work to the last minute
-a: do it tomorrow|watch one more show|lie down again|look at my phone for an hour
-t: I can do it later|there is still time|I do not feel like it now|I need a push
-f: lazy|unable to begin|without drive|guilty, but slow
C6
s: I have to choose between two flats.|A friend wants to leave for the sea right now.|Someone offers me a deal for today only.|I get a message that makes me angry.
+h: think before I act|choose my words with care|avoid mistakes|look at all sides first
+a: think it over for a night|read everything with care|make a list of good and bad points|wait before I answer
+t: I should not rush this|a mistake would cost a lot|first think, then act|I need to know more
+f: careful|thoughtful|in no hurry|unsure until I have checked it
-h: act without thinking|make quick decisions|jump into things|follow my first idea
-a: decide on the spot|say yes and go|answer at once|just do it
-t: thinking takes too long|it will work out somehow|now or never|the first idea is the best
-f: quick and free|full of impulse|spontaneous|impatient
"""


def _parse(text: str) -> dict[str, FacetPhrases]:
    banks: dict[str, dict[str, tuple[str, ...]]] = {}
    facet = ""
    for line in text.strip().split("\n"):
        if ":" in line:
            key, _, phrases = line.partition(": ")
            banks[facet][key] = tuple(phrases.split("|"))
        else:
            facet = line
            banks[facet] = {}
    return {
        facet: FacetPhrases(
            bank["s"],
            Pole(bank["+h"], bank["+a"], bank["+t"], bank["+f"]),
            Pole(bank["-h"], bank["-a"], bank["-t"], bank["-f"]),
        )
        for facet, bank in banks.items()
    }


PHRASES: dict[str, FacetPhrases] = _parse(_TEXT)
"""Facet code to phrases, in the order N1..N6, E1..E6, O1..O6, A1..A6, C1..C6."""
