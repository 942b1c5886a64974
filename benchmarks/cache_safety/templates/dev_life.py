"""Dev split: household, medicine leaflets, travel, sport and general knowledge; written for this suite."""

QUESTIONS = r"""
Can I freeze rice that has already been cooked?
  = voice: Can rice that has already been cooked be frozen?
  = reworded: Is it all right to put leftover boiled rice in the freezer?
  ! negation: already been cooked → not been cooked yet
  ! topic: rice → egg salad

How many grams of flour do I need for 4 portions of pancakes?
  = number words: 4 → four
  = unit spelling: grams → g
  ! numbers: 4 → 14
  ! units: grams → cups

How long should a chicken of 1.5 kg stay in the oven?
  = unit spelling: 1.5 kg → 1.5 kilograms
  = number words: 1.5 kg → one and a half kg
  ! numbers: 1.5 kg → 2.5 kg
  ! units: 1.5 kg → 1.5 lb

What is 180 degrees Celsius on a gas oven's scale?
  = unit spelling: 180 degrees Celsius → 180 °C
  = reworded: Which gas mark corresponds to an oven temperature of 180 degrees Celsius?
  ! units: Celsius → Fahrenheit
  ! numbers: 180 → 130

Should I defrost the freezer before or after I clean the fridge shelves?
  = word order: before or after → after or before
  ! topic: clean the fridge shelves → move house

How do I get red wine out of a white carpet?
  = synonyms: get red wine out of → remove red wine from
  = typos: How do I get red whine out of a wihte carpet?
  ! topic: red wine → candle wax
  ! question word: How do I get → Who can get

Which setting on the dishwasher uses the least water?
  = nominalisation: Which setting on the dishwasher has the lowest water consumption?
  ! comparatives: least → most
  ! topic: water → time

How do I turn on the child lock on my hob?
  = synonyms: turn on → activate
  = punctuation: HOW DO I TURN ON THE CHILD LOCK ON MY HOB
  ! antonyms: turn on → turn off

Is it safe to mix bleach with vinegar?
  = voice: Can bleach be mixed with vinegar safely?
  = word order: bleach with vinegar → vinegar with bleach
  ! topic: vinegar → cold water

What must I do before I bleed a radiator?
  = politeness: What must I do before I bleed a radiator? Sorry, I've never done it.
  ! direction: before → after
  ! negation: must I do → must I not do

How often should a smoke alarm battery be changed?
  = voice: How often should I change a smoke alarm battery?
  ! question word: How often → How
  ! modality: How often should a smoke alarm battery be changed → Must a smoke alarm battery be changed

Does the washing machine stop if I open the door during the spin cycle?
  = word order: If I open the door during the spin cycle, does the washing machine stop?
  ! scope: during the spin cycle → after the spin cycle
  ! direction: Does the door open if I stop the washing machine during the spin cycle?

How do I dye a wool jumper?
  = question form: I need instructions for dyeing a wool jumper.
  ! near words: dye → dry
  ! topic: wool → polyester

How many tablets of paracetamol 500 mg may an adult take in 24 hours?
  = number words: 24 hours → twenty-four hours
  = unit spelling: 500 mg → 500 milligrams
  = synonyms: may an adult take → is an adult allowed to take
  ! numbers: 24 hours → 4 hours
  ! names: paracetamol → ibuprofen
  ! scope: an adult → a child of six

Can I take ibuprofen if I am allergic to aspirin?
  = contraction: I am → I'm
  = reworded: I react badly to aspirin; am I still allowed to use ibuprofen?
  ! names: aspirin → penicillin
  ! negation: I am allergic → I am not allergic

Must the tablets be swallowed with food?
  = voice: Must I swallow the tablets with food?
  ! modality: Must → Can
  ! antonyms: with food → on an empty stomach

What should I do if I miss a dose of the antibiotic?
  = kept negation: if I miss a dose → if I didn't take a dose
  = synonyms: miss → forget
  ! antonyms: if I miss a dose → if I take a double dose
  ! question word: What should I do → How likely is it to matter

Does rifampicin make the contraceptive pill less effective?
  = nominalisation: Does rifampicin reduce the effectiveness of the contraceptive pill?
  ! direction: Does the contraceptive pill make rifampicin less effective?
  ! names: rifampicin → loperamide
  ! comparatives: less effective → more effective

What are the symptoms of hypothermia?
  = typos: What are the symtoms of hypothermia?
  = synonyms: symptoms → signs
  ! near words: hypothermia → hyperthermia
  ! question word: What are the symptoms of → How do I prevent

Which blood pressure is considered too high?
  = abbreviation: blood pressure → BP
  ! antonyms: too high → too low

How long after the flu jab does protection begin?
  = reworded: When does the influenza vaccine start to protect me once I have had it?
  ! antonyms: begin → end
  ! names: flu → yellow fever

Is this cream safe for children under 6 months?
  = number words: 6 → six
  ! antonyms: under → over
  ! units: 6 months → 6 years

Why was the cough syrup recalled?
  = voice: Why did they recall the cough syrup?
  ! question word: Why → When
  ! tense: was the cough syrup recalled → will the cough syrup be recalled

When is the last train from Ghent to Bruges?
  = word order: from Ghent to Bruges → to Bruges from Ghent
  = punctuation: when is the last train from ghent to bruges
  ! direction: from Ghent to Bruges → from Bruges to Ghent
  ! comparatives: last → first

How long is the flight from Australia to Peru with two stops?
  = number words: two stops → 2 stops
  = reworded: What is the travel time by plane to Peru if I start in Australia and change planes twice?
  ! near words: Australia → Austria
  ! negation: with two stops → without stops

How much does a taxi from the airport to the harbour cost?
  = nominalisation: What is the price of a taxi from the airport to the harbour?
  ! topic: taxi → bus
  ! question word: How long does a taxi from the airport to the harbour take?

Can I carry 100 ml of perfume in my hand luggage?
  = unit spelling: 100 ml → 100 millilitres
  = politeness: Hello, just checking: can I carry 100 ml of perfume in my hand luggage?
  ! numbers: 100 ml → 1000 ml
  ! units: 100 ml → 100 cl
  ! topic: hand luggage → hold luggage

Is the ferry to Tallinn running on 24 December 2026?
  = date format: 24 December 2026 → 24/12/2026
  = date format: 24 December 2026 → Dec 24, 2026
  ! dates: 24 December 2026 → 25 December 2026
  ! names: Tallinn → Stockholm

What time does the museum close on 3 May?
  = date format: 3 May → May 3rd
  = synonyms: close → shut
  ! dates: 3 May → 5 March
  ! antonyms: close → open

Which terminal do flights to Oslo leave from?
  = word order: From which terminal do flights to Oslo leave?
  ! direction: Which terminal do flights from Oslo arrive at?

Can my travel card be used on night buses without a supplement?
  = kept negation: without a supplement → with no supplement
  ! negation: without a supplement → with a supplement
  ! quantifiers: on night buses → only on night buses

How far is it from Lyon to Turin in km?
  = unit spelling: km → kilometres
  = word order: In km, how far is it from Lyon to Turin?
  ! units: km → miles
  ! question word: How many hours does it take to go from Lyon to Turin?

Does the hotel allow dogs?
  = voice: Are dogs allowed at the hotel?
  = typos: Does the hotle alow dogs?
  ! topic: dogs → smoking
  ! quantifiers: dogs → any number of dogs

Who won the men's final in 1998?
  = date format: 1998 → the year 1998
  = nominalisation: Who was the winner of the men's final in 1998?
  ! dates: 1998 → 1989
  ! antonyms: won → lost
  ! names: men's → women's

How many substitutes may a football team bring on in a match?
  = synonyms: may a football team bring on → is a football team allowed to bring on
  ! topic: football → handball
  ! modality: may → must

How long is the break between the first and the second half?
  = word order: How long is the break between the second and the first half?
  ! question word: How long is → Who decides on
  ! topic: the break between the first and the second half → the second half

Can a goalkeeper pick up the ball outside the penalty area?
  = voice: Can the ball be picked up by a goalkeeper outside the penalty area?
  ! antonyms: outside → inside
  ! question word: Can → Why can't

Did Ali beat Foreman by knockout?
  = voice: Was Foreman beaten by Ali by knockout?
  = abbreviation: knockout → KO
  ! direction: Did Foreman beat Ali by knockout?
  ! names: Foreman → Spinks

Which desert is the largest in the world?
  = synonyms: largest → biggest
  = word order: Which is the largest desert in the world?
  ! near words: desert → dessert
  ! comparatives: largest → driest

Where in the body is the ileum?
  = synonyms: Where in the body → In which part of the body
  = politeness: Could you please tell me where in the body the ileum is?
  ! near words: ileum → ilium
  ! question word: Where in the body is → How long is

Why don't the leaves of my basil stay green?
  = contraction: don't the leaves of my basil stay → do the leaves of my basil not stay
  ! near words: basil → bay
  ! antonyms: stay green → turn brown

Which is the highest mountain in Africa?
  = punctuation: Which is the highest mountain in africa??
  = synonyms: highest → tallest
  ! comparatives: highest → second highest
  ! names: Africa → Asia

Is Venus closer to the Sun than Mars?
  = reworded: Comparing Venus and Mars, is it Venus that has the smaller distance to the Sun?
  ! direction: Is Mars closer to the Sun than Venus?
  ! comparatives: closer to → farther from

How many people live in Lagos?
  = nominalisation: What is the population of Lagos?
  ! tense: live in Lagos → lived in Lagos in 1950
  ! question word: How many → What kind of
"""
