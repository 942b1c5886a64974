"""Practice split: history, science, sport, music, languages, study and travel; written for this suite."""

QUESTIONS = r"""
Did Mozart ever meet Beethoven?
  = word order: Did Beethoven ever meet Mozart?
  = nominalisation: Was there ever a meeting of Mozart with Beethoven?
  = politeness: Did Mozart ever meet Beethoven? I've always wanted to know.
  ! names: Beethoven → Haydn
  ! question word: Why did Mozart never meet Beethoven?
  ! near words: meet → mention

Who succeeded Elizabeth I on the English throne?
  = voice: By whom was Elizabeth I succeeded on the English throne?
  = nominalisation: Who was the successor of Elizabeth I on the English throne?
  = question form: Tell me who succeeded Elizabeth I on the English throne.
  ! names: Elizabeth I → Mary I
  ! antonyms: succeeded → preceded
  ! direction: Whom did Elizabeth I succeed on the English throne?

Which war ended in 1648?
  = date format: 1648 → the year 1648
  = nominalisation: Which war had its end in 1648?
  = question form: Name the war that ended in 1648.
  ! dates: 1648 → 1684
  ! antonyms: ended → broke out

Is Slovenia in the EU?
  = abbreviation: the EU → the European Union
  = reworded: Does Slovenia belong to the EU?
  = nominalisation: Does Slovenia have membership of the EU?
  ! near words: Slovenia → Slavonia
  ! tense: Was Slovenia in the EU in 1995?
  ! names: the EU → the UN

How far is the Moon from the Earth in km?
  = word order: How far is the Earth from the Moon in km?
  = nominalisation: What is the distance of the Moon from the Earth in km?
  = unit spelling: km → kilometres
  ! names: the Moon → Mars
  ! units: km → light seconds
  ! comparatives: How far is → How much farther than last year is

At what temperature does water boil at an altitude of 3000 m?
  = nominalisation: What is the boiling point of water at an altitude of 3000 m?
  = unit spelling: 3000 m → 3000 metres
  = word order: At an altitude of 3000 m, at what temperature does water boil?
  ! units: 3000 m → 3000 ft
  ! antonyms: boil → freeze
  ! numbers: 3000 → 8000

Is a proton heavier than an electron?
  = reworded: Is an electron lighter than a proton?
  = nominalisation: Is the weight of a proton greater than that of an electron?
  = punctuation: is a proton heavier, than an electron ?
  ! direction: Is an electron heavier than a proton?
  ! comparatives: heavier than → as heavy as
  ! near words: an electron → a neutron

What happens during meiosis?
  = question form: Explain what happens during meiosis.
  = synonyms: happens → takes place
  = typos: What hapens durring meiosis?
  ! near words: meiosis → mitosis
  ! direction: during → after
  ! question word: What happens → How much time passes

What is the capital of Niger?
  = typos: What is the captial of Niger?
  = reworded: Which city is Niger's capital?
  = contraction: What is → What's
  ! near words: Niger → Nigeria
  ! tense: What was the capital of Niger in 1920?
  ! topic: capital → currency

How fast does sound travel in water?
  = nominalisation: What is the speed of sound in water?
  = word order: In water, how fast does sound travel?
  = question form: speed at which sound travels in water
  ! topic: sound → light
  ! scope: in water → in air
  ! question word: How fast → How far

Who invented the telephone?
  = nominalisation: Who was the inventor of the telephone?
  = question form: Who was it that invented the telephone?
  = voice: Who was the telephone invented by?
  ! near words: telephone → telegraph
  ! question word: When was the telephone invented?

When did Brazil last win the World Cup?
  = nominalisation: When was Brazil's last win of the World Cup?
  = voice: When was the World Cup last won by Brazil?
  = typos: When did Brasil last win the Wold Cup?
  ! comparatives: last → first
  ! antonyms: win → host
  ! names: Brazil → France

How many points is a try worth in rugby union?
  = word order: In rugby union, how many points is a try worth?
  = reworded: What does a team score for a try in rugby union?
  = abbreviation: points → pts
  ! names: union → league
  ! topic: a try → a drop goal
  ! tense: How many points was a try worth in rugby union in 1970?

Can the referee send off a player who is on the bench?
  = word order: send off a player who is on the bench → send a player who is on the bench off
  = voice: Can a player who is on the bench be sent off by the referee?
  = contraction: who is → who's
  ! modality: Can the referee → Must the referee
  ! direction: send off a player who is on → send a player back to
  ! negation: who is on the bench → who is not on the bench

How many sets can a men's match at Wimbledon have at most?
  = reworded: What's the maximum number of sets in a men's match at Wimbledon?
  = abbreviation: at most → max
  = word order: At most how many sets can a men's match at Wimbledon have?
  ! comparatives: at most → at least
  ! names: men's → women's
  ! units: sets → games

Until what time is the library open on Saturdays?
  = synonyms: Until what time → How late
  = reworded: When does the library close on Saturdays?
  = abbreviation: on Saturdays → on Sat.
  ! dates: on Saturdays → on Sundays
  ! direction: Until → From
  ! topic: library → canteen

Can I renew a book that somebody else has reserved?
  = voice: Can I renew a book that has been reserved by somebody else?
  = synonyms: renew → extend the loan of
  = politeness: Hi, can I renew a book that somebody else has reserved? Thx
  ! negation: somebody else has → nobody else has
  ! direction: Can I reserve a book that somebody else has renewed?
  ! near words: renew → review

Do I need a visa for Japan if I stay less than 90 days?
  = number words: 90 → ninety
  = kept negation: Do I need a visa for Japan if I don't stay as long as 90 days?
  = word order: If I stay less than 90 days, do I need a visa for Japan?
  ! comparatives: less than → more than
  ! names: Japan → China
  ! units: 90 days → 90 weeks

Which bus goes from the station to the old town?
  = word order: from the station to the old town → to the old town from the station
  = question form: bus from the station to the old town, which one?
  = synonyms: Which bus goes → Which bus runs
  ! direction: from the station to the old town → from the old town to the station
  ! quantifiers: Which bus goes → Does every bus go
  ! near words: station → stadium

Does the 7:45 train to Ulm stop in Geislingen?
  = number words: the 7:45 train → the quarter to eight train
  = nominalisation: Does the 7:45 train to Ulm make a stop in Geislingen?
  = politeness: Good morning, does the 7:45 train to Ulm stop in Geislingen?
  ! direction: to Ulm → from Ulm
  ! numbers: 7:45 → 8:45
  ! names: Geislingen → Göppingen

Is breakfast included in the room rate?
  = voice: Does the room rate include breakfast?
  = punctuation: is breakfast included in the room rate?!
  = question form: Breakfast included in room rate?
  ! topic: breakfast → parking
  ! tense: Is breakfast → Until last year, was breakfast
  ! scope: breakfast → breakfast on the day of arrival

What language do most people in Paraguay speak at home?
  = voice: What language is spoken at home by most people in Paraguay?
  = synonyms: most people → the majority of people
  = typos: What langauge do most peple in Paraguay speak at home?
  ! near words: Paraguay → Uruguay
  ! quantifiers: most people → the fewest people
  ! scope: at home → at school

Do all snakes lay eggs?
  = voice: Are eggs laid by all snakes?
  = punctuation: do ALL snakes lay eggs??
  = synonyms: all snakes → snakes of every kind
  ! quantifiers: all → any
  ! near words: snakes → skates
  ! negation: Do all snakes lay → Why do some snakes not lay

Has anyone ever walked on the Moon for more than 24 hours?
  = number words: 24 → twenty-four
  = unit spelling: 24 hours → 24 h
  = nominalisation: Has there ever been a walk of more than 24 hours on the Moon?
  ! names: the Moon → Mars
  ! tense: Has anyone ever walked → Will anyone ever walk
  ! comparatives: more than → less than

Who composed the music of The Magic Flute?
  = nominalisation: Who was the composer of the music of The Magic Flute?
  = voice: By whom was the music of The Magic Flute composed?
  = synonyms: composed → wrote
  ! topic: music → libretto
  ! question word: Who composed → Where can I listen to

Which metals aren't magnetic?
  = contraction: aren't → are not
  = kept negation: Which metals aren't magnetic → Which metals are non-magnetic
  = question form: List metals that aren't magnetic.
  ! negation: aren't → are
  ! quantifiers: Which metals aren't → Is it true that most metals aren't
  ! antonyms: metals → non-metals

Which appeared first, Stegosaurus or T. rex?
  = abbreviation: T. rex → Tyrannosaurus rex
  = word order: Stegosaurus or T. rex → T. rex or Stegosaurus
  = synonyms: first → earlier
  ! antonyms: appeared → died out
  ! comparatives: first → last
  ! names: Stegosaurus → Triceratops

What did people eat before the potato came to Europe from South America?
  = word order: Before the potato came to Europe from South America, what did people eat?
  = nominalisation: What did people eat before the arrival of the potato in Europe from South America?
  = typos: What did peolpe eat before the potatoe came to Europe from South America?
  ! direction: before → after
  ! question word: What → How
  ! topic: potato → tomato

How high was the tide in Bristol on 2 May 2021?
  = date format: 2 May 2021 → 2021-05-02
  = nominalisation: What was the height of the tide in Bristol on 2 May 2021?
  = punctuation: how high was the tide in bristol on 2 may 2021
  ! dates: 2 May → 12 May
  ! tense: was the tide → will the tide be
  ! antonyms: How high → How low

When was the treaty of 4 October 1830 signed?
  = voice: When did they sign the treaty of 4 October 1830?
  = date format: 4 October 1830 → October 4, 1830
  = nominalisation: When did the signing of the treaty of 4 October 1830 take place?
  ! dates: 1830 → 1820
  ! question word: When → By whom
  ! antonyms: signed → revoked

Why hasn't the volcano erupted since 1944?
  = contraction: hasn't the volcano erupted → has the volcano not erupted
  = kept negation: Why has there been no eruption of the volcano since 1944?
  = date format: since 1944 → since the year 1944
  ! dates: 1944 → 1964
  ! negation: hasn't → has
  ! question word: Why hasn't the volcano erupted → How many times has the volcano erupted

Did Australia play England at cricket in January 2023?
  = word order: Did England play Australia at cricket in January 2023?
  = date format: January 2023 → Jan 2023
  = voice: Was cricket played by Australia against England in January 2023?
  ! topic: play England at → lose to England at
  ! dates: January → February
  ! near words: Australia → Austria

Is Kilimanjaro higher than Mont Blanc?
  = reworded: Is Mont Blanc lower than Kilimanjaro?
  = abbreviation: Mont Blanc → Mt Blanc
  = synonyms: higher → taller
  ! direction: Is Mont Blanc higher than Kilimanjaro?
  ! names: Kilimanjaro → Aconcagua
  ! numbers: higher than → twice as high as

How do I say 'no problem' in Icelandic?
  = politeness: Would you be so kind as to tell me how I say 'no problem' in Icelandic?
  = question form: Icelandic for 'no problem'?
  = voice: How is 'no problem' said in Icelandic?
  ! topic: 'no problem' → 'no parking'
  ! names: Icelandic → Irish

Can I sit the exam again if I don't pass?
  = kept negation: if I don't pass → if I fail
  = nominalisation: Is a resit of the exam possible if I don't pass?
  = synonyms: sit the exam again → retake the exam
  ! negation: if I don't pass → if I pass
  ! modality: Can I → Must I
  ! scope: the exam → part of the exam

Who may borrow books from the archive?
  = synonyms: may → is allowed to
  = reworded: To whom does the archive lend books?
  = typos: Who may borow books form the archive?
  ! direction: Who may lend books to the archive?
  ! question word: Who may → When may I
  ! tense: may borrow → has borrowed

On which date does Ramadan start in 2028?
  = synonyms: start → begin
  = word order: In 2028, on which date does Ramadan start?
  = nominalisation: On which date is the start of Ramadan in 2028?
  ! dates: 2028 → 2029
  ! antonyms: start → end
  ! names: Ramadan → Hanukkah

Is the ticket still valid if the train is over 60 minutes late?
  = unit spelling: 60 minutes → 60 min
  = number words: 60 minutes → sixty minutes
  = reworded: Does my ticket keep its validity in case of a train delay above 60 minutes?
  ! numbers: 60 → 20
  ! scope: the ticket → the ticket for another train
  ! comparatives: over → under

Does the tour take place if it rains on 7 August 2026?
  = date format: 7 August 2026 → 2026-08-07
  = word order: If it rains on 7 August 2026, does the tour take place?
  ! dates: 7 August → 8 July
  ! question word: Does the tour take place → Where does the tour take place
  ! negation: if it rains → if it doesn't rain

Why do the days get shorter after midsummer?
  = reworded: What's the reason that day length falls once midsummer is over?
  = synonyms: get shorter → become shorter
  ! antonyms: shorter → longer
  ! direction: after → before
  ! question word: Why → By how much

Do penguins and polar bears live in the same region?
  = word order: penguins and polar bears → polar bears and penguins
  = synonyms: region → part of the world
  = typos: Do pinguins and polar bears live in teh same region?
  ! scope: in the same region → in the same zoo
  ! negation: live in the same region → never live in the same region

How many keys does a piano with seven octaves have?
  = number words: seven → 7
  ! numbers: seven → eight
  ! topic: keys → strings
  ! comparatives: How many keys → How many more black than white keys
  ! question word: How many keys does → Who tunes the keys that

Which planets have no moons?
  = kept negation: have no moons → don't have any moons
  = punctuation: which planets have no moons
  ! quantifiers: no moons → several moons
  ! negation: have no moons → have moons
  ! topic: moons → rings

Is the museum free on the first Sunday of July?
  = punctuation: is the museum free on the first sunday of july
  ! dates: July → August
  ! comparatives: first → last
  ! scope: the museum → the special exhibition
  ! near words: free → full

How many of the twelve jurors must agree?
  = number words: twelve → 12
  ! modality: must → may
  ! antonyms: agree → disagree
  ! tense: must agree → agreed
  ! names: jurors → apostles

Was it Hillary or Tenzing who reached the summit of Everest first?
  = word order: Was it Tenzing or Hillary who reached the summit of Everest first?
  = reworded: Who reached the summit of Everest first, Hillary or Tenzing?
  = synonyms: the summit → the top
  ! comparatives: first → last
  ! names: Tenzing → Mallory
  ! topic: the summit of Everest → the base camp

What made the dinosaurs die out?
  = nominalisation: What was the cause of the dying out of the dinosaurs?
  = synonyms: die out → go extinct
  = abbreviation: dinosaurs → dinos
  ! names: dinosaurs → mammoths
  ! negation: die out → not die out sooner
  ! direction: What did the dinosaurs make die out?

List the countries that border Chad.
  = nominalisation: that border → that share a border with
  = question form: Which countries border Chad?
  = reworded: What are Chad's neighbouring countries?
  ! near words: Chad → Chile
  ! negation: that border → that don't border
  ! comparatives: List the countries that border Chad → List the countries that are larger than Chad

Which side was Bulgaria on in the First World War?
  = abbreviation: the First World War → WWI
  = word order: In the First World War, which side was Bulgaria on?
  = reworded: Whose side did Bulgaria take in the First World War?
  ! numbers: First → Second
  ! near words: Bulgaria → Belgium
  ! question word: Which side was Bulgaria on → How long was Bulgaria

Since what year have women had the vote in Switzerland?
  = reworded: In what year were women in Switzerland given the vote?
  = nominalisation: had the vote → been allowed to vote
  = word order: In Switzerland, since what year have women had the vote?
  ! antonyms: women → men
  ! near words: Switzerland → Swaziland
  ! scope: had the vote → had the vote in every canton
  ! question word: Since what year → Why

Who was the last of the Romanov tsars?
  = reworded: Who was the last Romanov tsar?
  = question form: Name the last of the Romanov tsars.
  = politeness: Who was the last of the Romanov tsars, please?
  ! comparatives: last → first
  ! antonyms: tsars → tsarinas
  ! scope: the last of → the last but one of

Explain how a bill becomes law in the UK.
  = question form: How does a bill become law in the UK?
  = abbreviation: the UK → the United Kingdom
  = politeness: Could you kindly explain how a bill becomes law in the UK?
  ! names: the UK → the US
  ! question word: how a bill becomes → how often a bill becomes
  ! direction: Explain how a law becomes a bill again in the UK.

In which countries isn't English spoken but taught from the age of 6?
  = contraction: isn't English → is English not
  = number words: age of 6 → age of six
  = voice: In which countries don't people speak English but teach it from the age of 6?
  ! direction: In which countries isn't English taught but spoken from the age of 6?
  ! numbers: age of 6 → age of 16
  ! negation: isn't English spoken but → is English spoken and

Why weren't the Olympics of 1940 held in Tokyo?
  = contraction: weren't the Olympics of 1940 held → were the Olympics of 1940 not held
  = kept negation: Why did the Olympics of 1940 fail to take place in Tokyo?
  = reworded: the Olympics of 1940 → the 1940 Olympics
  ! dates: 1940 → 1948
  ! negation: weren't → were
  ! names: Tokyo → London
  ! tense: weren't the Olympics of 1940 held → won't the next Olympics be held
"""
