# ruff: noqa: E501 - lists of sentences
"""The phrases of the question's grammar: introductions, instructions, headers, layouts, scales.

Slots for the statement: {s} as after 'You', {i} as after 'I', {S} capitalised.
"""

from __future__ import annotations


def phrase_list(text: str) -> tuple[str, ...]:
    """The phrases of a list separated by '|' or line ends."""
    return tuple(text.removesuffix("\n").replace("\n", "|").split("|"))


def _scale(line: str) -> dict[int, str]:
    """Response to option text, from the texts of 5 down to 1."""
    return dict(zip((5, 4, 3, 2, 1), line.split("|"), strict=True))


LEADS = phrase_list("""Given a statement of you:|Given a statement about you:
Given this statement of you:
Here is a statement about you:|A statement about you:|Here is a sentence about you:|Statement:
Consider this statement:|Consider the following statement:|Consider the following description:
Read this statement:|Please read the following statement:|Think about this statement:
Take a look at this statement:|Look at this sentence:|Please look at this description:
Someone says about you:|A friend says about you:|One could say about you:|People may say of you:
A description of you:|Here is a description of you:|Description:|The next statement is:
Here is the next statement:|Next statement:|Item:|Sentence:|About you:|Question about you:
Imagine someone describes you like this:|Suppose somebody says this about you:|Now this one:
Think of yourself as you usually are.|Think about how you are most of the time.
Let us talk about you.|This is a short question about your personality.|A question for you.
A personality test says:|A questionnaire contains this line:|From a questionnaire:
Please judge this sentence:|Please think about the following sentence:|Please rate this statement:
""")
QUOTES: tuple[str, ...] = (
    '"You {s}."',
    '"You {s}."',
    '"You {s}."',
    '"I {i}."',
    '"I {i}."',
    '"{S}."',
    "You {s}.",
)
QUOTES += ("I {i}.", "{S}.", "{S}", "'You {s}.'", "'I {i}.'", '"{S}"', '"{s}"', "You {s}")
INTROS = phrase_list("""Here is a sentence someone might say about themselves: "I {i}."
A person says: "I {i}." Now think of yourself.|Would you say this about yourself? "I {i}."
Could this be you? "I {i}."|Is this like you? "You {s}."|You {s}.|I {i}.|"You {s}."|"I {i}."
"I {i}." This is a sentence from a personality questionnaire.|"You {s}." This was said about you.
Someone who knows you well says: "You {s}."|Imagine saying this about yourself: "I {i}."
Think of the words "I {i}" as words about you.|Do these words fit you: "{S}"?
Are you like this: {s}?
Consider how you usually are. The statement is "I {i}."|The statement is: "{S}."|{S}.|{S}|{s}
In a questionnaire you read the line "I {i}."|One line of the test says: "You {s}."
Please picture yourself in daily life. Statement: "I {i}."|Here is something about you: you {s}.
Does the following sound like you? "I {i}."|What about this one? "{S}."|And this one: "You {s}."
Finish the thought about yourself. "I {i}."|My question is about this sentence: "I {i}."
The following is said of you: "You {s}."|We would like to know about you. "You {s}."
""")
ASK_ANY = phrase_list("""How well does this fit you?|How well does this describe you?
How much is this like you?
Rate how well this fits you.|Does this sound like you?|How would you answer?|What is your answer?
Please choose the option that fits you best.|Choose the option that describes you best.
Please pick the answer that fits best.|Which option fits you best?|Which answer is right for you?
Select the best option.|Select the answer that matches you.|Please select one of the options below.
Please answer honestly about yourself.|Answer as you really are, not as you would like to be.
Choose one answer.|Pick the option that is closest to you.|Which of these comes closest to you?
Say how well the sentence describes you.|Tell me how well this describes you.|Is this you?
Please rate yourself.|How would you rate yourself on this?|Use the scale below to answer.
Please answer with one of the options.|Choose from the options below.|What would you say?
How close is this to how you are?|Does this describe you?|Answer for yourself.||||
Please tell us how much this is true for you.|How far does this match your personality?
""")
STANDARD_ASK = (
    "Please choose from the following options to identify how accurately this statement "
    "describes you."
)
ASK_ACCURATE = phrase_list("""How accurate is this about you?|How accurate is this statement for you?
How accurately does this statement describe you?|Rate how accurately this describes you.
Please rate how accurate this statement is for you.|Decide how accurate this description is.
Please choose how accurately the sentence describes you.|How accurate are these words about you?
Identify how accurately this statement describes you.|Is this an accurate description of you?
Please say how accurate or inaccurate this is for you.|Choose how accurate this is.
Mark how accurate the statement is as a description of you.|Is this accurate or inaccurate?
Please choose one of the following options to say how accurately this describes you.
From the following options, choose how accurately this statement describes you.
Use the options below to show how accurately this statement describes you as you are now.
Please indicate how accurately the statement describes you.|How accurate would you call this?
Pick the option that tells how accurate this statement is.|Judge how accurate this is.
""")
ASK_ACCURATE += (STANDARD_ASK,) * 12
ASK_AGREE = phrase_list("""How much do you agree?|Do you agree with this statement?
Do you agree or disagree?
How strongly do you agree with this sentence?|Rate how much you agree.|Tell me if you agree.
Please choose how much you agree with the statement.|To what extent do you agree?
Please say how far you agree or disagree that this is true of you.""")
ASK_TRUE = phrase_list("""How true is this of you?|Rate how true this is of you.|Is this true of you?
Please choose how true this is for you.|How true is this sentence about you?|Is it true or false?
Say how true this statement is when you think of yourself.|Tell me how true this is.
To what extent is this true of you?""")
ASK_LIKE = phrase_list("""How much is this person like you?|Is this like you?
How much does this sound like you?
Rate how much this is like you.|Say how much this is like you.|Are you like that?
Please choose how much you are like this.|How much are you like this?""")
HEADERS = phrase_list("""Options:|Options:|Options:|Options:|Options:|||||Choices:|The options are:
Pick one:
Choose one:|Select one:|Possible answers:|Answers:|Answer options:|Your options:|Your choices:
The choices are:|Options|Choices|Scale:|Here are the options:|Here are your choices:|Use this scale:
The possible answers are:|Please choose:|Choose from:|Available answers:|Available options:
These are the answers you can give:|You can answer:|Response options:|Rating scale:
""")
CLOSINGS = phrase_list("""Answers:|Answer:|Your answer:|Your choice:|My answer:|Please answer.
Choose one.
Answer with one option.|Give one answer only.|Please give only one answer.|Only one answer, please.
Reply with one of the options.|Please reply with the option you choose.|What do you choose?
Which one do you pick?|Just pick one.|There is no right or wrong answer.|Please be honest.
Do not explain your answer.|No explanation is needed.|Your rating:|I choose:|Response:|Selection:
Write down your choice.|Name the option that fits.|Please make a choice.|Go with your first thought.
""")
LABEL_ONLY_CLOSINGS = phrase_list("""Reply with the {n} only.|Answer with the {n} only.
Just the {n}, please.
Give only the {n}.|Please write only the {n} of your answer.|Answer with one {n}.|Only the {n}.
Reply with a single {n}.|Please respond with the {n} alone.""")
LAYOUTS = (
    *[("(", "). ", "\n")] * 8,
    *[("(", ") ", "\n"), ("", ") ", "\n"), ("", ". ", "\n"), ("", ": ", "\n")] * 2,
    *[("[", "] ", "\n"), ("- ", ": ", "\n"), ("- (", ") ", "\n"), ("* ", ". ", "\n")],
    *[("(", ") ", "; "), ("(", ") ", ", "), ("", ") ", " | "), ("", ": ", "; "), ("", " = ", ", ")],
    *[("", " - ", "\n"), ("Option ", ": ", "\n"), ("(", "): ", "\n"), ("", ") ", "\n\n")],
    *[("", ". ", "; "), ("(", ") ", " "), ("", " = ", "\n"), ("- ", ") ", "\n"), ("", ": ", " / ")],
)
"""What stands before and after the label, and between two options."""
SCALES = {
    "agree": """Strongly agree|Agree|Neither agree nor disagree|Disagree|Strongly disagree
Agree strongly|Agree a little|Neutral|Disagree a little|Disagree strongly
I fully agree|I mostly agree|I am not sure|I mostly disagree|I do not agree at all""",
    "true": """Very true of me|Rather true of me|In between|Rather untrue of me|Very untrue of me
Completely true|Mostly true|Partly true|Mostly false|Completely false
Always true|Often true|Sometimes true|Rarely true|Never true""",
    "like": """Exactly like me|Mostly like me|Somewhat like me|Not much like me|Not like me at all
Very much like me|Like me|In between|Unlike me|Very much unlike me
Yes, very much|Yes, mostly|In the middle|No, mostly not|No, not at all""",
    "any": """Fits me very well|Fits me well|Fits me partly|Fits me badly|Does not fit me at all
Describes me very well|Describes me well|Neutral|Describes me badly|Does not describe me at all
Yes|More yes than no|In between|More no than yes|No""",
}
SCALE_OPTIONS = {kind: [_scale(line) for line in text.split("\n")] for kind, text in SCALES.items()}
OTHER_ACCURACY = (
    _scale("Very accurate|Quite accurate|In between|Quite inaccurate|Very inaccurate"),
    _scale("Extremely accurate|Mostly accurate|Partly accurate|Mostly inaccurate|Not accurate"),
)
ASKS = {"agree": ASK_AGREE, "true": ASK_TRUE, "like": ASK_LIKE, "any": ASK_ANY}
LIST_HEADS = phrase_list("""\
Here are some of your behaviors and your level of recognition towards them;
Here is how you answered a questionnaire:|These are your answers:|Your answers so far:
This is who you are:|You are a person with these answers:|About you:|Your personality:|Profile:
You have answered these statements about yourself:|Know yourself:|What you said about yourself:
Answer as the person who gave these answers:|Take on the person described here:
The following statements describe you, with how accurate each is:""")
